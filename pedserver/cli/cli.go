package cli

import (
	"io"

	"openped/internal/daemon"
)

const name = "pedserver"

var program = daemon.Program{
	Name: name, Title: "Ped Server", LogName: "remotePedServerLog.log",
	Purpose: "Relays between the PED of this workstation and an HSM host.",
	Modes: []daemon.Mode{
		{Name: "start", Args: "-peddevice <device>", Does: "start it in the background; the device is unix:PATH, a software PED"},
		{Name: "stop", Does: "tell the HSM host, make the PED idle and end it"},
		{Name: "show", Does: "show the PED, who has it, and where it listens"},
	},
	New: func() daemon.Job { return newJob() },
}

// Main carries out one command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int { return program.Main(args, stdout, stderr) }
