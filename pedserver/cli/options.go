package cli

import (
	"path/filepath"
	"time"

	"openped/internal/cmdline"
	"openped/internal/logs"
	"openped/pedserver"
	"openped/usbped"
)

type options struct {
	ips        []string
	port       int
	device     string
	idle       time.Duration
	ping       time.Duration
	pingLoss   time.Duration
	read       time.Duration
	write      time.Duration
	shutdown   time.Duration // of the services inside
	bgStart    time.Duration // of the detached process
	bgShutdown time.Duration
	logFile    string
	levels     logs.Levels
	foreground bool
	force      bool

	opener usbped.Opener
}

func defaults() *options {
	return &options{
		port: pedserver.DefaultPort, idle: 1800 * time.Second, ping: time.Second, pingLoss: 3 * time.Second,
		read: 5 * time.Second, write: 3 * time.Second, shutdown: 5 * time.Second,
		bgStart: 10 * time.Second, bgShutdown: 10 * time.Second, levels: logs.DefaultLevels,
	}
}

// flags returns the options of one mode.
func (o *options) flags(mode string) *cmdline.Set {
	s := new(cmdline.Set)
	sec := func(name, usage string, dst *time.Duration, min int) {
		s.Add(&cmdline.Flag{Name: name, Value: "seconds", Usage: usage, Set: cmdline.Seconds(dst, min, 86400)})
	}
	if mode == "start" {
		s.Add(
			&cmdline.Flag{Name: "ip", Value: "address", Usage: "listen on this address; may be repeated (default: all, IPv4 and IPv6)", Many: true, Set: addrs(&o.ips)},
			&cmdline.Flag{Name: "port", Value: "port", Usage: "TCP port for HSM hosts (default 1503)", Set: cmdline.Port(&o.port)},
			&cmdline.Flag{Name: "peddevice", Value: "device", Usage: "the PED: unix:PATH of a software PED", Set: cmdline.String(&o.device)},
			&cmdline.Flag{Name: "foreground", Usage: "stay in the foreground; log to standard error unless -logfile is given", Set: cmdline.Switch(&o.foreground)},
		)
		sec("idletimeout", "end a connection after this long without PED traffic, 0 = never (default 1800)", &o.idle, 0)
		sec("pinginterval", "between two pings (default 1)", &o.ping, 1)
		sec("pingtimeout", "silence after which a connection is lost (default 3)", &o.pingLoss, 2)
	}
	if mode == "start" || mode == "stop" {
		sec("socketreadtimeout", "until a new connection has said who it is (default 5)", &o.read, 1)
		sec("socketwritetimeout", "for one frame to the HSM host (default 3)", &o.write, 1)
		sec("internalshutdowntimeout", "for the services inside to end (default 5)", &o.shutdown, 1)
		sec("bgprocessstartuptimeout", "for the background process to start (default 10)", &o.bgStart, 1)
		sec("bgprocessshutdowntimeout", "for the background process to end (default 10)", &o.bgShutdown, 1)
		force := "accepted for old scripts: start asks nothing"
		if mode == "stop" {
			force = "kill a process that does not end"
		}
		s.Add(&cmdline.Flag{Name: "force", Usage: force, Set: cmdline.Switch(&o.force)})
	}
	s.Add(logs.Flags(&o.logFile, &o.levels)...)
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
	if mode != "start" {
		return o, nil
	}
	if o.device == "" {
		return nil, &cmdline.UsageError{Msg: "no PED named", Hint: "give -peddevice unix:PATH, where PATH is the socket of softped"}
	}
	opener, ok := usbped.ParseDevice(o.device)
	if !ok {
		return nil, &cmdline.UsageError{Msg: "-peddevice " + cmdline.Printable(o.device) + " is not a device", Hint: "write unix:PATH, where PATH is the socket of softped"}
	}
	if so, ok := opener.(usbped.SocketOpener); ok {
		// The daemon leaves the folder it was started in.
		abs, err := filepath.Abs(so.Path)
		if err != nil {
			return nil, err
		}
		opener = usbped.SocketOpener{Path: abs}
	}
	o.opener = opener
	if o.pingLoss <= o.ping {
		return nil, &cmdline.UsageError{Msg: "-pingtimeout must be longer than -pinginterval"}
	}
	return o, nil
}
