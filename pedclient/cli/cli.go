package cli

import (
	"io"

	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/setting"
	"openped/pedclient"
)

const name = "pedclient"

var program = &daemon.Program{
	Name: name, Title: "Ped Client", LogName: "pedclient.log",
	ConfigName: "pedClient.conf", Sections: []string{"PedClient", "Ped Client"},
	Help: helpAll, Table: table,
	StartTimeout: "pstartuptimeout", StopTimeout: "pshutdowntimeout", ShutdownTimeout: "shutdowntimeout",
	Check: check, Open: open,
	Status: func() daemon.Status { return new(pedclient.Status) },
	Commands: []daemon.Command{
		{Top: "mode", Word: "start", Help: helpStart, Start: "-hsm <file>"},
		{Top: "mode", Word: "stop", Help: helpStop, AnyConfig: true},
		{Top: "mode", Word: "show", Help: helpShow, AnyConfig: true},
		{Top: "mode", Word: "config", Help: helpConfig},
		{Top: "mode", Word: "reload", Help: helpReload, AnyConfig: true},
		{Top: "mode", Word: "createhsm", Help: helpCreateHSM, AnyConfig: true, Run: createHSM},
	},
}

// Main carries out one command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int { return program.Main(args, stdout, stderr) }

// check looks at the settings together.
func check(start bool, v *setting.Values) error {
	switch {
	case start && len(v.List("hsm")) == 0:
		return &cmdline.UsageError{Msg: "no HSM named", Hint: "give -hsm <file>; pedclient -mode createhsm makes one"}
	case v.Int("pingtimeout") <= v.Int("pinginterval"):
		return &cmdline.UsageError{Msg: "-pingtimeout must be longer than -pinginterval"}
	}
	return nil
}
