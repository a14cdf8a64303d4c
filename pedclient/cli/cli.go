package cli

import (
	"io"

	"openped/internal/daemon"
)

const name = "pedclient"

var program = daemon.Program{
	Name: name, Title: "Ped Client", LogName: "pedclient.log",
	Purpose: "Runs the HSM slots of this host and connects them to remote PEDs.",
	Modes: []daemon.Mode{
		{Name: "start", Args: "-hsm <file>", Does: "start it in the background; repeat -hsm for slots 2, 3, …"},
		{Name: "stop", Does: "cancel what is running, close the channels and end it"},
		{Name: "show", Does: "show the slots and their connections"},
		{Name: "createhsm", Args: "-hsm <file> -serial <serial> -origin <folder>", Does: "make a virtual HSM in a new state file"},
	},
	New: func() daemon.Job { return newJob() },
}

// Main carries out one command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int { return program.Main(args, stdout, stderr) }
