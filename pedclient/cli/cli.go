package cli

import (
	"io"
	"slices"

	"openped/certs/linkid"
	"openped/certs/linkid/linkcmd"
	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/service"
	"openped/internal/setting"
	"openped/pedclient"
)

const name = "pedclient"

// Program is the command line: its commands, settings and help.
var Program = &daemon.Program{
	Name: name, Title: "Ped Client", LogName: "pedclient.log",
	ConfigName: "pedClient.conf", Sections: []string{"PedClient", "Ped Client"},
	Help: helpAll, Table: table, Service: kind,
	StartTimeout: "pstartuptimeout", StopTimeout: "pshutdowntimeout", ShutdownTimeout: "shutdowntimeout",
	Check: check, Open: open, Dial: linkcmd.Dial,
	Status: func() daemon.Status { return new(pedclient.Status) },
	Commands: slices.Concat([]daemon.Command{
		{Top: "mode", Word: "start", Help: helpStart, Start: "-hsm <file>"},
		{Top: "mode", Word: "stop", Help: helpStop, AnyConfig: true, Remote: true},
		{Top: "mode", Word: "show", Help: helpShow, AnyConfig: true, Remote: true},
		{Top: "mode", Word: "config", Help: helpConfig},
		{Top: "mode", Word: "setid", Help: helpSetID, Need: []string{"id", "id_ip", "id_port"}, Writes: true, Run: setID},
		{Top: "mode", Word: "testid", Help: helpTestID, Need: []string{"id"}, Run: testID},
		{Top: "mode", Word: "assignid", Help: helpAssignID, Need: []string{"id", "id_serialnumber"}, Run: assignID},
		{Top: "mode", Word: "releaseid", Help: helpReleaseID, Need: []string{"id"}, Run: releaseID},
		{Top: "mode", Word: "deleteid", Help: helpDeleteID, Need: []string{"id"}, Run: deleteID},
		{Top: "mode", Word: "listid", Help: helpListID, Run: listIDs},
		{Top: "mode", Word: "createhsm", Help: helpCreateHSM, Need: []string{"hsm", "serial", "origin"}, AnyConfig: true, Run: createHSM},
		{Top: "mode", Word: "reload", Help: helpReload, AnyConfig: true, Remote: true},
	},
		linkcmd.Peers("pedserver", linkid.PEDServer, linkcmd.Help{Register: helpPEDServerRegister, List: helpPEDServerList, Delete: helpPEDServerDelete}),
		linkcmd.Administrators(name),
		daemon.ServiceCommands(name),
		[]daemon.Command{linkcmd.Regen(name, "PEDclient", "pedserver -appliance register")},
	),
}

// kind is the program as a service.
var kind = service.Kind{
	Program: name, Description: "PEDclient, the HSM slots of this host", Manual: "pedclient(8)",
	Network: true, Reload: true,
	RunFlags: []string{"-mode", "start", "-foreground"}, WindowsFlags: []string{"-mode", "start", "-winservice"},
}

// Main carries out one command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int { return Program.Main(args, stdout, stderr) }

// check looks at the settings together. For a start they must suffice.
func check(start bool, v *setting.Values) error {
	switch {
	case start && len(v.List("hsm")) == 0:
		return &cmdline.UsageError{Msg: "no HSM named", Hint: "give -hsm <file>, or enter it with -mode config -set -hsm <file>; -mode createhsm makes one"}
	case v.Int("pingtimeout") <= v.Int("pinginterval"):
		return &cmdline.UsageError{Msg: "-pingtimeout must be longer than -pinginterval"}
	}
	return nil
}
