case $1 in
  configure | abort-upgrade | abort-deconfigure | abort-remove) ;;
  *) exit 0 ;;
esac

users
folder
rules

# deb-systemd-helper remembers what the administrator has chosen, and needs no
# systemd that runs.
known=no
if have deb-systemd-helper; then
  if deb-systemd-helper debian-installed "$UNIT"; then known=yes; fi
  deb-systemd-helper unmask "$UNIT" >/dev/null || :
  if [ "$ENABLE" = yes ] && configured && deb-systemd-helper --quiet was-enabled "$UNIT"; then
    deb-systemd-helper enable "$UNIT" >/dev/null || :
  else
    deb-systemd-helper update-state "$UNIT" >/dev/null || :
  fi
fi
reload

if [ "$1" = abort-remove ]; then
  if booted; then
    for unit in $(services); do
      if systemctl is-enabled --quiet "$unit"; then begin "$unit"; fi
    done
  fi
elif [ "$known" = no ]; then
  first
else
  again
fi
