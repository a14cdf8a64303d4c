package cli

import (
	"path/filepath"
	"time"

	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/logs"
)

// job is one command line of pedclient.
type job struct {
	daemon.Options
	hsm      []string
	idle     time.Duration
	ping     time.Duration
	pingLoss time.Duration
	read     time.Duration
	write    time.Duration
	group    string

	serial, origin, firmware string // createhsm
}

func newJob() *job {
	return &job{
		Options: daemon.Options{Start: 15 * time.Second, Stop: 15 * time.Second, Shutdown: 8 * time.Second, Levels: logs.DefaultLevels},
		ping:    time.Second, pingLoss: 3 * time.Second, read: 10 * time.Second, write: 3 * time.Second, firmware: "7.7.0",
	}
}

// Common implements daemon.Job.
func (j *job) Common() *daemon.Options { return &j.Options }

// Flags implements daemon.Job.
func (j *job) Flags(mode string) *cmdline.Set {
	s := new(cmdline.Set)
	sec := func(name, usage string, dst *time.Duration, min int) {
		s.Add(&cmdline.Flag{Name: name, Value: "seconds", Usage: usage, Set: cmdline.Seconds(dst, min, 86400)})
	}
	switch mode {
	case "createhsm":
		s.Add(
			&cmdline.Flag{Name: "hsm", Value: "file", Usage: "the new HSM's state file", Many: true, Set: cmdline.Strings(&j.hsm)},
			&cmdline.Flag{Name: "serial", Value: "serial", Usage: "serial number: letters, digits, dashes", Set: cmdline.String(&j.serial)},
			&cmdline.Flag{Name: "origin", Value: "folder", Usage: "its origin root; made if there is none", Set: cmdline.String(&j.origin)},
			&cmdline.Flag{Name: "firmware", Value: "version", Usage: "what it behaves like (7.7.0)", Set: cmdline.String(&j.firmware)},
		)
		return s
	case "start":
		s.Add(
			&cmdline.Flag{Name: "hsm", Value: "file", Usage: "HSM state file; repeat it for slots 2, 3, …", Many: true, Set: cmdline.Strings(&j.hsm)},
			&cmdline.Flag{Name: "hsmgroup", Value: "group", Usage: "whose members may use the HSMs too", Set: cmdline.String(&j.group)},
			&cmdline.Flag{Name: "foreground", Usage: "stay, and log to standard error", Set: cmdline.Switch(&j.Foreground)},
		)
		sec("idletimeout", "without PED traffic; 0 = as pedserver has it", &j.idle, 0)
		sec("pinginterval", "between two pings (1)", &j.ping, 1)
		sec("pingtimeout", "silence of a PEDserver that is lost (3)", &j.pingLoss, 2)
	}
	if mode == "start" || mode == "stop" {
		sec("socketreadtimeout", "for a PEDserver to answer (10)", &j.read, 1)
		sec("socketwritetimeout", "for one frame to a PEDserver (3)", &j.write, 1)
		sec("shutdowntimeout", "for the services inside to end (8)", &j.Shutdown, 1)
		sec("pstartuptimeout", "for the process to start (15)", &j.Start, 1)
		sec("pshutdowntimeout", "for the process to end (15)", &j.Stop, 1)
		if mode == "stop" {
			s.Add(&cmdline.Flag{Name: "force", Usage: "kill a process that does not end", Set: cmdline.Switch(&j.Force)})
		}
	}
	s.Add(logs.Flags(&j.LogFile, &j.Levels)...)
	s.Add(&cmdline.Flag{Name: "locallogger", Usage: "for old scripts: there is one logger", Set: func(string) error { return nil }})
	return s
}

// Check implements daemon.Job.
func (j *job) Check(mode string) (err error) {
	switch {
	case mode == "start" && len(j.hsm) == 0:
		return &cmdline.UsageError{Msg: "no HSM named", Hint: "give -hsm <file>; pedclient -mode createhsm makes one"}
	case mode == "start" && j.pingLoss <= j.ping:
		return &cmdline.UsageError{Msg: "-pingtimeout must be longer than -pinginterval"}
	case mode == "createhsm" && len(j.hsm) != 1:
		return &cmdline.UsageError{Msg: "createhsm makes one HSM", Hint: "give -hsm <file> once"}
	case mode == "createhsm" && j.serial == "":
		return &cmdline.UsageError{Msg: "no serial number", Hint: "give -serial <serial>, a number that no other HSM of this origin has"}
	case mode == "createhsm" && j.origin == "":
		return &cmdline.UsageError{Msg: "no origin root", Hint: "give -origin <folder>; it is made if there is none"}
	}
	// The daemon leaves the folder it was started in.
	seen := map[string]bool{}
	for i, f := range j.hsm {
		if j.hsm[i], err = filepath.Abs(f); err != nil {
			return err
		}
		if seen[j.hsm[i]] {
			return &cmdline.UsageError{Msg: "-hsm " + cmdline.Printable(f) + " given twice"}
		}
		seen[j.hsm[i]] = true
	}
	return nil
}
