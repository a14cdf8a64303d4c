case $1 in
  remove | purge)
    if have deb-systemd-helper; then
      deb-systemd-helper purge "$UNIT" >/dev/null || :
      deb-systemd-helper unmask "$UNIT" >/dev/null || :
    fi
    ;;
esac
if [ "$1" = purge ]; then forget; fi
case $1 in remove | purge) reload ;; esac
