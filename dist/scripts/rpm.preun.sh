if [ "$1" -eq 0 ]; then
  halt
  if have systemctl; then systemctl --no-reload disable "$UNIT" >/dev/null 2>&1 || :; fi
fi
