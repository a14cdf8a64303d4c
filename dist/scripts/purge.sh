# Purging is the explicit wish to lose everything, so nothing is asked; but what
# cannot be brought back is named before it goes.

# names lists the services whose folders are this program's: the default one,
# those with a unit, and those that its user has folders of.
names() {
  {
    echo "$PROG"
    instances
    for base in /var/lib/openped /var/log/openped /run/openped; do
      [ -d "$base" ] || continue
      if have getent && getent passwd "$PROG" >/dev/null; then
        find "$base" -mindepth 1 -maxdepth 1 -type d -user "$PROG" | sed 's|.*/||'
      fi
    done
  } | grep -Ex '[A-Za-z0-9_-]{1,40}' | sort -u
}

# treasures lists the HSMs, PED keys and origin roots below a folder.
treasures() {
  find "$1" -xdev -type f -size -65536k -exec grep -lF '"openped-virtual-hsm"' {} + 2>/dev/null | sed 's/^/  virtual HSM  /'
  find "$1" -xdev -type f -name '*.pedkey' 2>/dev/null | sed 's|/[^/]*$||' | sort -u | sed 's/^/  PED keys     /'
  find "$1" -xdev -type f -name origin.key 2>/dev/null | sed 's/^/  origin root  /'
}

# discard FOLDER: a symbolic link goes, what it leads to stays.
discard() {
  if [ -L "$1" ]; then say "$1 is a symbolic link: what it leads to stays"; fi
  rm -rf "$1" || say "$1 could not be removed"
}

# forget removes what the services of the program have left: folders, logs, units
# and configuration of further services, users and groups. What a person, or root
# without a service, has made with the programs is theirs and stays.
forget() {
  all=$(names)
  lost=$(for name in $all; do
    if [ -d "/var/lib/openped/$name" ]; then treasures "/var/lib/openped/$name"; fi
  done | printable)
  if [ -n "$lost" ]; then
    say "purging removes for ever:"
    echo "$lost"
  fi
  for name in $(instances); do
    say "the service $name and its configuration are removed"
    if booted; then systemctl stop "$name.service" || :; fi
    if have systemctl; then systemctl --no-reload disable "$name.service" >/dev/null 2>&1 || :; fi
    rm -f "/etc/systemd/system/$name.service" "/etc/systemd/system/multi-user.target.wants/$name.service"
  done
  for name in $all; do
    discard "/var/lib/openped/$name"
    discard "/var/log/openped/$name"
    discard "/run/openped/$name"
    if [ "$name" != "$PROG" ]; then rm -f "/etc/openped-$name.conf" "/etc/openped-$name.conf.lock"; fi
  done
  if [ -n "$CONF" ]; then rm -f "$CONF" "$CONF.lock"; fi
  for base in /var/lib/openped /var/log/openped /run/openped; do
    if [ -d "$base" ]; then rmdir "$base" 2>/dev/null || :; fi
  done
  have getent || return 0
  if getent passwd "$PROG" >/dev/null && have userdel; then userdel "$PROG" 2>/dev/null || say "the user $PROG could not be removed"; fi
  if getent group "$PROG" >/dev/null && have groupdel; then groupdel "$PROG" 2>/dev/null || say "the group $PROG could not be removed"; fi
  # The group of those who may use PEDs goes with the last package that has it.
  for conf in /usr/lib/sysusers.d/openped-*.conf; do
    if [ -e "$conf" ]; then return 0; fi
  done
  if getent group openped >/dev/null && have groupdel; then groupdel openped 2>/dev/null || say "the group openped could not be removed"; fi
}
