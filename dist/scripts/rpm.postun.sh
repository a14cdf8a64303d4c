reload
if [ "$1" -eq 0 ]; then kept; fi
