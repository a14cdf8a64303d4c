users
folder
rules
if [ "$1" -le 1 ] && [ "$ENABLE" = yes ] && configured && have systemctl; then systemctl --no-reload enable "$UNIT" >/dev/null 2>&1 || :; fi
reload
if [ "$1" -le 1 ]; then first; else again; fi
