if [ "$1" = remove ]; then
  halt
  if have systemctl; then systemctl --no-reload disable "$UNIT" >/dev/null 2>&1 || :; fi
fi
