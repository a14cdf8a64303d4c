package cli

import (
	"path/filepath"
	"time"

	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/logs"
	"openped/pedserver"
	"openped/usbped"
)

// job is one command line of pedserver.
type job struct {
	daemon.Options
	ips      []string
	port     int
	device   string
	idle     time.Duration
	ping     time.Duration
	pingLoss time.Duration
	read     time.Duration
	write    time.Duration

	opener usbped.Opener
}

func newJob() *job {
	return &job{
		Options: daemon.Options{Start: 10 * time.Second, Stop: 10 * time.Second, Shutdown: 5 * time.Second, Levels: logs.DefaultLevels},
		port:    pedserver.DefaultPort, idle: 1800 * time.Second, ping: time.Second, pingLoss: 3 * time.Second,
		read: 5 * time.Second, write: 3 * time.Second,
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
	if mode == "start" {
		s.Add(
			&cmdline.Flag{Name: "peddevice", Value: "device", Usage: "the PED: unix:PATH of a software PED", Set: cmdline.String(&j.device)},
			&cmdline.Flag{Name: "ip", Value: "address", Usage: "listen here; may be repeated (default: all)", Many: true, Set: addrs(&j.ips)},
			&cmdline.Flag{Name: "port", Value: "port", Usage: "TCP port for HSM hosts (default 1503)", Set: cmdline.Port(&j.port)},
			&cmdline.Flag{Name: "foreground", Usage: "stay, and log to standard error", Set: cmdline.Switch(&j.Foreground)},
		)
		sec("idletimeout", "without PED traffic; 0 = no limit (1800)", &j.idle, 0)
		sec("pinginterval", "between two pings (1)", &j.ping, 1)
		sec("pingtimeout", "silence of an HSM host that is lost (3)", &j.pingLoss, 2)
	}
	if mode == "start" || mode == "stop" {
		sec("socketreadtimeout", "for a new host to say who it is (5)", &j.read, 1)
		sec("socketwritetimeout", "for one frame to the HSM host (3)", &j.write, 1)
		sec("internalshutdowntimeout", "for the services inside to end (5)", &j.Shutdown, 1)
		sec("bgprocessstartuptimeout", "for the process to start (10)", &j.Start, 1)
		sec("bgprocessshutdowntimeout", "for the process to end (10)", &j.Stop, 1)
		force := "for old scripts: start asks nothing"
		if mode == "stop" {
			force = "kill a process that does not end"
		}
		s.Add(&cmdline.Flag{Name: "force", Usage: force, Set: cmdline.Switch(&j.Force)})
	}
	s.Add(logs.Flags(&j.LogFile, &j.Levels)...)
	return s
}

// addrs appends an IP address.
func addrs(dst *[]string) func(string) error {
	return func(v string) error {
		var a string
		if err := cmdline.Addr(&a)(v); err != nil {
			return err
		}
		*dst = append(*dst, a)
		return nil
	}
}

// Check implements daemon.Job.
func (j *job) Check(mode string) error {
	if mode != "start" {
		return nil
	}
	if j.device == "" {
		return &cmdline.UsageError{Msg: "no PED named", Hint: "give -peddevice unix:PATH, where PATH is the socket of softped"}
	}
	opener, ok := usbped.ParseDevice(j.device)
	if !ok {
		return &cmdline.UsageError{Msg: "-peddevice " + cmdline.Printable(j.device) + " is not a device", Hint: "write unix:PATH, where PATH is the socket of softped"}
	}
	if so, ok := opener.(usbped.SocketOpener); ok {
		// The daemon leaves the folder it was started in.
		abs, err := filepath.Abs(so.Path)
		if err != nil {
			return err
		}
		opener = usbped.SocketOpener{Path: abs}
	}
	j.opener = opener
	if j.pingLoss <= j.ping {
		return &cmdline.UsageError{Msg: "-pingtimeout must be longer than -pinginterval"}
	}
	return nil
}
