package cli

import (
	"io"

	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/setting"
	"openped/pedserver"
)

const name = "pedserver"

var program = &daemon.Program{
	Name: name, Title: "Ped Server", LogName: "remotePedServerLog.log",
	ConfigName: "pedServer.conf", Sections: []string{"PedServer", "Ped Server"},
	Help: helpAll, Table: table,
	StartTimeout: "bgprocessstartuptimeout", StopTimeout: "bgprocessshutdowntimeout", ShutdownTimeout: "internalshutdowntimeout",
	Check: check, Open: open,
	Status: func() daemon.Status { return new(pedserver.Status) },
	Commands: []daemon.Command{
		{Top: "mode", Word: "start", Help: helpStart, Start: "-peddevice <device>"},
		{Top: "mode", Word: "stop", Help: helpStop, AnyConfig: true},
		{Top: "mode", Word: "show", Help: helpShow, AnyConfig: true},
		{Top: "mode", Word: "config", Help: helpConfig},
		{Top: "mode", Word: "reload", Help: helpReload, AnyConfig: true},
	},
}

// Main carries out one command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int { return program.Main(args, stdout, stderr) }

// check looks at the settings together.
func check(start bool, v *setting.Values) error {
	switch {
	case start && v.Text("peddevice") == "":
		return &cmdline.UsageError{Msg: "no PED named", Hint: "give -peddevice unix:PATH, where PATH is the socket of softped"}
	case v.Int("pingtimeout") <= v.Int("pinginterval"):
		return &cmdline.UsageError{Msg: "-pingtimeout must be longer than -pinginterval"}
	}
	return nil
}
