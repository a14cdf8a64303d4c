# Shared by all maintainer scripts, of .deb and .rpm. Above it stand PKG (the
# package), PROG (its program), UNIT, CONF (its configuration file), and ENABLE
# (whether the service starts with the machine). POSIX sh, and nothing that a
# system without systemd lacks. Every step may have been done already.

export LC_ALL=C

say() { echo "$PKG: $*"; }

# printable: names of files are their owners' choice, and this may be root's terminal.
printable() { tr -c '[:print:]\n' '?'; }

have() { command -v "$1" >/dev/null 2>&1; }

# booted: systemd runs this system. It does not in a chroot, nor where an image of
# a container is made; there only files are put in place.
booted() { [ -d /run/systemd/system ] && have systemctl; }

# reload: systemd reads its units anew.
reload() { if booted; then systemctl daemon-reload || :; fi; }

users() {
  if have systemd-sysusers; then
    systemd-sysusers "/usr/lib/sysusers.d/$PKG.conf" || say "the users of /usr/lib/sysusers.d/$PKG.conf could not be made"
  else
    say "there is no systemd-sysusers: the users of /usr/lib/sysusers.d/$PKG.conf are still to be made"
  fi
}

# folder: the service's own, with its keys and HSMs. systemd makes it too, but only
# at the first start, and an HSM is made before.
folder() {
  # Root's own daemons may have closed what services share.
  mkdir -p /var/lib/openped
  for top in /var/lib/openped /var/log/openped /run/openped; do
    if [ -d "$top" ] && [ ! -L "$top" ]; then chmod 0755 "$top"; fi
  done
  own=/var/lib/openped/$PROG
  if [ -e "$own" ] || [ -L "$own" ]; then return 0; fi
  if mkdir -m 0700 "$own" && chown "$PROG:$PROG" "$own" 2>/dev/null; then return 0; fi
  rmdir "$own" 2>/dev/null || : # without its user systemd is to make it
}

# rules: udev takes the rule for PEDs, and asks it about those that are plugged in.
rules() {
  [ -e /usr/lib/udev/rules.d/70-openped.rules ] && [ -S /run/udev/control ] && have udevadm || return 0
  udevadm control --reload --timeout=10 || return 0
  udevadm trigger --action=change --subsystem-match=usb --attr-match="product=Open Remote PED*" || :
}

# instances lists the further services of this program, those of "-service
# install -name NAME": one name a line.
instances() {
  for unit in /etc/systemd/system/*.service; do
    [ -f "$unit" ] && [ ! -L "$unit" ] || continue
    name=${unit##*/}
    name=${name%.service}
    case $name in "$PROG" | *[!A-Za-z0-9_-]*) continue ;; esac
    if grep -Eq "^ExecStart=[^ ]*/usr/bin/$PROG\"?( .*)? \"?-instance\"? " "$unit"; then echo "$name"; fi
  done
}

# services lists the units of all services of this program.
services() {
  echo "$UNIT"
  for name in $(instances); do echo "$name.service"; done
}

# configured: pedclient without an HSM would only fail. It says itself which file it
# reads.
configured() {
  [ "$PROG" = pedclient ] || return 0
  hsm=$("/usr/bin/$PROG" -mode config -show -instance "$PROG" 2>/dev/null | sed -n 's/^  HSM  *//p')
  case $hsm in "" | "(none)"*) return 1 ;; esac
}

# next tells what is left to do where the service was not started.
next() {
  case $PROG in
    pedclient)
      say "the service pedclient starts once it has an HSM:"
      say "  pedclient -mode createhsm -hsm /var/lib/openped/pedclient/hsm1 -serial 7000001 -origin /root/origin"
      say "  pedclient -mode config -set -hsm /var/lib/openped/pedclient/hsm1"
      say "  systemctl enable --now pedclient"
      ;;
    softped)
      say "the service softped is for tests and training, and starts when you say so:"
      say "  systemctl enable --now softped"
      ;;
  esac
}

# begin UNIT: starts it, through the system's own policy where there is one.
begin() {
  if have deb-systemd-invoke; then set -- deb-systemd-invoke start "$1"; else set -- systemctl start "$1"; fi
  "$@" || say "${3%.service} did not start; systemctl status ${3%.service} and journalctl -u ${3%.service} say why"
}

# first starts the service after an installation, or says what it waits for.
first() {
  if [ "$ENABLE" = no ] || ! configured; then
    next
  elif booted; then
    begin "$UNIT"
  fi
  # Further services are there when the package has been here before.
  booted || return 0
  for name in $(instances); do
    if systemctl is-enabled --quiet "$name.service"; then begin "$name.service"; fi
  done
}

# again restarts what runs after an upgrade: the new program, the old state.
again() {
  booted || return 0
  for unit in $(services); do
    systemctl is-active --quiet "$unit" || continue
    if have deb-systemd-invoke; then deb-systemd-invoke restart "$unit"; else systemctl try-restart "$unit"; fi ||
      say "${unit%.service} did not start again; systemctl status ${unit%.service} and journalctl -u ${unit%.service} say why"
  done
}

# halt stops all services of the program before it goes. Their units stay: those
# in /etc are the administrator's.
halt() {
  booted || return 0
  for unit in $(services); do systemctl stop "$unit" || :; done
}

# kept says where an erased package has left what is not its own.
kept() {
  say "state, keys and configuration stay: /var/lib/openped, /var/log/openped, $CONF, and units of further services in /etc/systemd/system"
}
