package cli

import (
	"path/filepath"
	"time"

	"openped/internal/cmdline"
	"openped/internal/logs"
)

type options struct {
	hsm        []string
	idle       time.Duration
	ping       time.Duration
	pingLoss   time.Duration
	read       time.Duration
	write      time.Duration
	shutdown   time.Duration // of the services inside
	bgStart    time.Duration // of the detached process
	bgShutdown time.Duration
	group      string
	logFile    string
	levels     logs.Levels
	foreground bool
	force      bool

	serial, origin, firmware string // createhsm
}

func defaults() *options {
	return &options{
		ping: time.Second, pingLoss: 3 * time.Second, read: 10 * time.Second, write: 3 * time.Second,
		shutdown: 8 * time.Second, bgStart: 15 * time.Second, bgShutdown: 15 * time.Second,
		levels: logs.DefaultLevels, firmware: "7.7.0",
	}
}

// flags returns the options of one mode.
func (o *options) flags(mode string) *cmdline.Set {
	s := new(cmdline.Set)
	sec := func(name, usage string, dst *time.Duration, min int) {
		s.Add(&cmdline.Flag{Name: name, Value: "seconds", Usage: usage, Set: cmdline.Seconds(dst, min, 86400)})
	}
	switch mode {
	case "createhsm":
		s.Add(
			&cmdline.Flag{Name: "hsm", Value: "file", Usage: "the new HSM's state file", Many: true, Set: cmdline.Strings(&o.hsm)},
			&cmdline.Flag{Name: "serial", Value: "serial", Usage: "its serial number: letters, digits, dashes", Set: cmdline.String(&o.serial)},
			&cmdline.Flag{Name: "origin", Value: "folder", Usage: "the origin root that certifies it; made if there is none", Set: cmdline.String(&o.origin)},
			&cmdline.Flag{Name: "firmware", Value: "version", Usage: "the firmware it behaves like (default 7.7.0)", Set: cmdline.String(&o.firmware)},
		)
		return s
	case "start":
		s.Add(
			&cmdline.Flag{Name: "hsm", Value: "file", Usage: "state file of a virtual HSM; repeat it for slots 2, 3, …", Many: true, Set: cmdline.Strings(&o.hsm)},
			&cmdline.Flag{Name: "hsmgroup", Value: "group", Usage: "members of this group may use the HSMs too (default: this user and root)", Set: cmdline.String(&o.group)},
			&cmdline.Flag{Name: "foreground", Usage: "stay in the foreground; log to standard error unless -logfile is given", Set: cmdline.Switch(&o.foreground)},
		)
		sec("idletimeout", "end a connection after this long without PED traffic; 0 = as pedserver decides (default 0)", &o.idle, 0)
		sec("pinginterval", "between two pings (default 1)", &o.ping, 1)
		sec("pingtimeout", "silence after which a connection is lost (default 3)", &o.pingLoss, 2)
	}
	if mode == "start" || mode == "stop" {
		sec("socketreadtimeout", "for a PEDserver to answer (default 10)", &o.read, 1)
		sec("socketwritetimeout", "for one frame to a PEDserver (default 3)", &o.write, 1)
		sec("shutdowntimeout", "for the services inside to end (default 8)", &o.shutdown, 1)
		sec("pstartuptimeout", "for the background process to start (default 15)", &o.bgStart, 1)
		sec("pshutdowntimeout", "for the background process to end (default 15)", &o.bgShutdown, 1)
		if mode == "stop" {
			s.Add(&cmdline.Flag{Name: "force", Usage: "kill a process that does not end", Set: cmdline.Switch(&o.force)})
		}
	}
	s.Add(logs.Flags(&o.logFile, &o.levels)...)
	s.Add(&cmdline.Flag{Name: "locallogger", Usage: "accepted for old scripts: there is one logger", Set: func(string) error { return nil }})
	return s
}

// parse reads the options of mode and checks them together.
func parse(mode string, args []string) (*options, error) {
	o := defaults()
	rest, err := o.flags(mode).Parse(args)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, &cmdline.UsageError{Msg: "unexpected argument " + cmdline.Printable(rest[0])}
	}
	switch {
	case mode == "start" && len(o.hsm) == 0:
		return nil, &cmdline.UsageError{Msg: "no HSM named", Hint: "give -hsm <file>; pedclient -mode createhsm makes one"}
	case mode == "start" && o.pingLoss <= o.ping:
		return nil, &cmdline.UsageError{Msg: "-pingtimeout must be longer than -pinginterval"}
	case mode == "createhsm" && len(o.hsm) != 1:
		return nil, &cmdline.UsageError{Msg: "createhsm makes one HSM", Hint: "give -hsm <file> once"}
	case mode == "createhsm" && o.serial == "":
		return nil, &cmdline.UsageError{Msg: "no serial number", Hint: "give -serial <serial>, a number that no other HSM of this origin has"}
	case mode == "createhsm" && o.origin == "":
		return nil, &cmdline.UsageError{Msg: "no origin root", Hint: "give -origin <folder>; it is made if there is none"}
	}
	// The daemon leaves the folder it was started in.
	seen := map[string]bool{}
	for i, f := range o.hsm {
		if o.hsm[i], err = filepath.Abs(f); err != nil {
			return nil, err
		}
		if seen[o.hsm[i]] {
			return nil, &cmdline.UsageError{Msg: "-hsm " + cmdline.Printable(f) + " given twice"}
		}
		seen[o.hsm[i]] = true
	}
	return o, nil
}
