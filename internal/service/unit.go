package service

import (
	"fmt"
	"strings"
)

// unitHead is the part of a unit that says what it is. StartLimit: eight tries in
// a minute, then systemd gives up and says so.
const unitHead = `[Unit]
Description=Open Remote PED: %s
Documentation=man:%s
After=%s
%sStartLimitIntervalSec=60
StartLimitBurst=8

[Service]
Type=notify
NotifyAccess=main
`

// unitLife: what happens when. A wrong command line does not get better by trying
// again. The watchdog wants to hear from the daemon every few seconds.
const unitLife = `Restart=on-failure
RestartSec=1
RestartPreventExitStatus=1
TimeoutStartSec=30
TimeoutStopSec=20
WatchdogSec=20
KillMode=mixed
`

// unitFolders are the service's own; all else is closed to it.
const unitFolders = `UMask=0027
RuntimeDirectory=openped/%[1]s
RuntimeDirectoryMode=%[2]s
StateDirectory=openped/%[1]s
StateDirectoryMode=0700
LogsDirectory=openped/%[1]s
LogsDirectoryMode=0750
`

// unitWalls take from every service what none needs. AF_NETLINK is how a program
// learns of addresses and of USB plugs.
const unitWalls = `LimitCORE=0
LimitMEMLOCK=64M
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
`

// unitUnprivileged is for services of a user of their own. @chown, which is among
// the privileged calls, is how a user gives a socket to a group that it is in.
const unitUnprivileged = `ProtectKernelTunables=yes
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=@chown
SystemCallErrorNumber=EPERM
`

// unitGadget is for a PED in software that is a USB device: only root may make
// one, by writing to configfs and mounting FunctionFS below /run. The modules are
// loaded outside of the walls.
const unitGadget = `ExecStartPre=-+/sbin/modprobe -a libcomposite usb_f_fs
User=root
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_DAC_OVERRIDE CAP_CHOWN
AmbientCapabilities=
SystemCallFilter=@system-service @mount
SystemCallFilter=~@resources
SystemCallErrorNumber=EPERM
ReadWritePaths=/run -/sys/kernel/config
DevicePolicy=closed
`

const unitTail = `
[Install]
WantedBy=multi-user.target
`

// Unit returns the text of the service's systemd unit.
func (s Spec) Unit() string {
	var b strings.Builder
	after, wants := "network.target", ""
	if s.Network {
		after, wants = "network-online.target", "Wants=network-online.target\n"
	}
	fmt.Fprintf(&b, unitHead, s.Description, s.Manual, after, wants)
	if s.Environment != "" {
		fmt.Fprintf(&b, "EnvironmentFile=-%s\n", s.Environment)
	}
	fmt.Fprintf(&b, "ExecStart=%s\n", strings.Join(append([]string{s.Path}, s.arguments(s.RunFlags)...), " ")+s.variable())
	if s.Reload {
		fmt.Fprintf(&b, "ExecReload=%s -mode reload -instance %s\n", s.Path, s.Name)
	}
	b.WriteString(unitLife)
	mode := "0750"
	if s.Shared {
		mode = "0755"
	}
	fmt.Fprintf(&b, unitFolders, s.Name, mode)
	b.WriteString(unitWalls)
	if s.Controller != "" {
		b.WriteString(unitGadget)
	} else {
		fmt.Fprintf(&b, "User=%[1]s\nGroup=%[1]s\n", s.Program)
		if len(s.Groups) > 0 {
			fmt.Fprintf(&b, "SupplementaryGroups=%s\n", strings.Join(s.Groups, " "))
		}
		b.WriteString(unitUnprivileged)
		if s.USB {
			b.WriteString("DevicePolicy=closed\nDeviceAllow=char-usb_device rw\n")
		} else {
			b.WriteString("PrivateDevices=yes\nDevicePolicy=closed\n")
		}
	}
	b.WriteString(unitTail)
	return b.String()
}

// variable is the one in which the file of variables has further flags.
func (s Spec) variable() string {
	if s.Environment == "" {
		return ""
	}
	return " $" + strings.ToUpper(s.Program) + "_FLAGS"
}

// Sysusers returns the service's user and groups as systemd-sysusers reads them.
func (s Spec) Sysusers() string {
	var b strings.Builder
	fmt.Fprintf(&b, "u %[1]s - \"openped %[1]s\" /var/lib/openped/%[1]s\n", s.Program)
	for _, g := range s.Groups {
		fmt.Fprintf(&b, "g %s -\n", g)
	}
	return b.String()
}
