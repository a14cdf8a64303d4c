package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"openped/internal/admin"
	"openped/internal/background"
	"openped/internal/cmdline"
	"openped/internal/logs"
	"openped/internal/rundir"
	"openped/pedserver"
)

// serve is the daemon itself, detached (child is not nil) or in the foreground.
// It reports to the parent whether it came up.
func serve(o *options, dirs rundir.Dirs, child *background.Child, stderr io.Writer) error {
	err := daemon(o, dirs, child, stderr)
	if err == nil {
		return nil
	}
	r := background.Report{Error: err.Error(), Code: cmdline.ExitFailed}
	var ee *cmdline.ExitError
	if errors.As(err, &ee) {
		r.Error, r.Hint, r.Code = ee.Err.Error(), ee.Hint, ee.Code
	}
	child.Report(r)
	return err
}

func daemon(o *options, dirs rundir.Dirs, child *background.Child, stderr io.Writer) error {
	instance, err := admin.Claim(dirs, name)
	if err != nil {
		return withHint(err)
	}
	log := openLog(o, dirs, child, stderr)
	defer log.Close()
	listeners, err := listen(o)
	if err != nil {
		instance.Close()
		log.Error("not started", "err", err)
		return err
	}
	idle := o.idle
	if idle == 0 {
		idle = -1 // never
	}
	server := pedserver.New(pedserver.Config{
		Opener: o.opener, Log: log.Logger, IdleTimeout: idle, PingInterval: o.ping, PingTimeout: o.pingLoss,
		ReadTimeout: o.read, WriteTimeout: o.write,
	})
	fixed := about(log, listeners)
	d := &admin.Daemon{Name: name, Instance: instance, Log: log.Logger, ShutdownTimeout: o.shutdown,
		Endpoints: map[string]admin.Handler{"GET /v1/show": func(context.Context) (any, error) {
			st := server.Status()
			fixed(&st)
			return st, nil
		}}}
	err = d.Run(context.Background(), func() {
		var st pedserver.Status
		fixed(&st)
		log.Info("started", "version", cmdline.Version, "pid", os.Getpid(), "ped", o.opener.String(), "listening", st.Listening)
		var warnings []string
		if log.Warning != "" {
			warnings = []string{log.Warning}
		}
		child.Report(background.Report{Ready: true, Warnings: warnings})
	}, func(ctx context.Context) error { return server.Serve(ctx, listeners...) })
	log.Info("stopped", "err", err)
	return err
}

// openLog opens the log file; in the foreground the terminal or the journal is
// the log unless a file was named. A crash of the detached process writes its
// trace there too.
func openLog(o *options, dirs rundir.Dirs, child *background.Child, stderr io.Writer) *logs.Log {
	lo := logs.Options{Path: o.logFile, Stderr: stderr, Levels: o.levels}
	if child != nil || o.logFile != "" {
		lo.Second = filepath.Join(dirs.State, "remotePedServerLog.log")
		if lo.Path == "" {
			lo.Path = lo.Second
		}
	}
	log := logs.Open(lo)
	if f := log.File(); f != nil && child != nil {
		_ = debug.SetCrashOutput(f, debug.CrashOptions{})
	}
	return log
}

// about returns what fills in the parts of a status that the server does not
// know.
func about(log *logs.Log, listeners []net.Listener) func(*pedserver.Status) {
	return func(st *pedserver.Status) {
		st.Hostname, _ = os.Hostname()
		st.Version = cmdline.VersionText()
		st.ProtocolVersion = pedserver.ProtocolVersion
		st.PID = os.Getpid()
		st.LogFile = log.Path
		st.Listen(listeners)
	}
}

// listen binds all addresses or none.
func listen(o *options) ([]net.Listener, error) {
	ips := o.ips
	if len(ips) == 0 {
		ips = []string{""} // all, IPv4 and IPv6
	}
	var ls []net.Listener
	for _, ip := range ips {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(o.port)))
		if err != nil {
			for _, l := range ls {
				l.Close()
			}
			return nil, listenError(ip, o.port, err)
		}
		ls = append(ls, l)
	}
	return ls, nil
}

func listenError(ip string, port int, err error) error {
	var se *os.SyscallError
	if errors.As(err, &se) {
		err = se.Err
	}
	switch {
	case isInUse(err):
		return cmdline.Failed(fmt.Errorf("port %d is in use by another program", port), "choose another with -port, or end that program")
	case isNotHere(err):
		return cmdline.Failed(fmt.Errorf("%s is not an address of this host", ip), "this host has "+hostAddrs()+"; leave -ip out to listen on all")
	case errors.Is(err, os.ErrPermission):
		return cmdline.Failed(fmt.Errorf("port %d: permission denied", port), "choose a port above 1023 with -port")
	}
	return cmdline.Failed(fmt.Errorf("listen on port %d: %w", port, err), "")
}

func hostAddrs() string {
	var out []string
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
			out = append(out, n.IP.String())
		}
	}
	return strings.Join(out, ", ")
}

func withHint(err error) error {
	var h admin.Hinter
	if errors.As(err, &h) {
		return cmdline.Failed(err, h.Hint())
	}
	return err
}
