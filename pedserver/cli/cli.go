package cli

import (
	"io"
	"net/netip"
	"slices"

	"openped/certs/linkid"
	"openped/certs/linkid/linkcmd"
	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/service"
	"openped/internal/setting"
	"openped/pedserver"
	"openped/usbped"
)

const name = "pedserver"

// USB opens a PED on a cable: with these ids ("vvvv:pppp", or "" for any) and this
// serial number, or the only one if that is "". The command sets it; nil is a
// program that was built without USB.
var USB func(id, serial string) usbped.Opener

// Program is the command line: its commands, settings and help.
var Program = &daemon.Program{
	Name: name, Title: "Ped Server", LogName: "remotePedServerLog.log",
	ConfigName: "pedServer.conf", Sections: []string{"PedServer", "Ped Server"},
	Help: helpAll, Table: table, Service: kind,
	StartTimeout: "bgprocessstartuptimeout", StopTimeout: "bgprocessshutdowntimeout", ShutdownTimeout: "internalshutdowntimeout",
	Check: check, Open: open, Dial: linkcmd.Dial,
	Status: func() daemon.Status { return new(pedserver.Status) },
	Named:  string(linkid.Appliance), NamedKeys: []string{"IP", "Port"},
	Commands: slices.Concat([]daemon.Command{
		{Top: "mode", Word: "start", Help: helpStart, Run: start},
		{Top: "mode", Word: "stop", Help: helpStop, AnyConfig: true, Remote: true, Run: stop},
		{Top: "mode", Word: "show", Help: helpShow, AnyConfig: true, Remote: true, Run: show},
		{Top: "mode", Word: "config", Help: helpConfig},
		{Top: "mode", Word: "connect", Help: helpConnect, Need: []string{"name"}, AnyConfig: true, Remote: true, Run: connect},
		{Top: "mode", Word: "disconnect", Help: helpDisconnect, Need: []string{"name"}, AnyConfig: true, Remote: true, Run: disconnect},
		{Top: "mode", Word: "release", Help: helpRelease, AnyConfig: true, Run: release},
		{Top: "mode", Word: "claim", Help: helpClaim, AnyConfig: true, Run: claim},
		{Top: "mode", Word: "reload", Help: helpReload, AnyConfig: true, Remote: true},
	},
		linkcmd.Peers("appliance", linkid.Appliance, linkcmd.Help{Register: helpApplianceRegister, List: helpApplianceList, Delete: helpApplianceDelete}),
		linkcmd.Administrators(name),
		daemon.ServiceCommands(name),
		[]daemon.Command{linkcmd.Regen(name, "PEDserver", "pedclient -pedserver register")},
	),
}

// kind is the program as a service.
var kind = service.Kind{
	Program: name, Description: "PEDserver, the relay at the PED", Manual: "pedserver(8)",
	Groups: []string{"openped"}, USB: true, Reload: true,
	RunFlags: []string{"-mode", "start", "-foreground"}, WindowsFlags: []string{"-mode", "start", "-winservice"},
}

// Main carries out one command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int { return Program.Main(args, stdout, stderr) }

// check looks at the settings together. For a start they must suffice.
func check(start bool, v *setting.Values) error {
	if v.Int("pingtimeout") <= v.Int("pinginterval") {
		return &cmdline.UsageError{Msg: "-pingtimeout must be longer than -pinginterval"}
	}
	if !start {
		return nil
	}
	for _, ip := range v.List("ip") {
		if _, err := netip.ParseAddr(ip); err != nil {
			return &cmdline.UsageError{Msg: "flag -ip: " + cmdline.Printable(ip) + " is not an IP address"}
		}
	}
	return nil
}
