if [ "$1" = remove ]; then
  halt
  # Who has deb-systemd-helper has the links removed with the rest, so that a removal
  # that is given up leaves them.
  if ! have deb-systemd-helper && have systemctl; then systemctl --no-reload disable "$UNIT" >/dev/null 2>&1 || :; fi
fi
