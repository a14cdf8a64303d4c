package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"openped/internal/admin"
	"openped/internal/background"
	"openped/internal/cmdline"
	"openped/internal/logs"
	"openped/internal/rundir"
	"openped/pedclient"
)

// socketName is the HSM socket in the run folder.
const socketName = "hsm.sock"

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
	gid, perm, err := callers(o.group)
	if err != nil {
		return err
	}
	instance, err := admin.Claim(dirs, name)
	if err != nil {
		return withHint(err)
	}
	log := openLog(o, dirs, child, stderr)
	defer log.Close()
	fail := func(err error) error {
		instance.Close()
		log.Error("not started", "err", err)
		return err
	}
	client, err := pedclient.New(pedclient.Config{HSMFiles: o.hsm, Log: log.Logger, Group: gid, Timers: pedclient.Timers{
		Dial: o.read, PingInterval: o.ping, PingTimeout: o.pingLoss, Write: o.write, Idle: o.idle}})
	if err != nil {
		return fail(withHint(err))
	}
	socket, err := instance.Listen(socketName, perm)
	if err == nil && gid >= 0 {
		// The group has to get through the folder too, which keeps mode 0750.
		err = errors.Join(os.Chown(dirs.Run, -1, gid), os.Chown(socket.Addr().String(), -1, gid))
	}
	if err != nil {
		_ = client.Close()
		return fail(err)
	}
	d := &admin.Daemon{Name: name, Instance: instance, Log: log.Logger, ShutdownTimeout: o.shutdown,
		Endpoints: map[string]admin.Handler{"GET /v1/show": func(context.Context) (any, error) {
			st := client.Status()
			st.Hostname, _ = os.Hostname()
			st.Version, st.PID, st.LogFile, st.Socket = cmdline.VersionText(), os.Getpid(), log.Path, socket.Addr().String()
			return st, nil
		}}}
	err = d.Run(context.Background(), func() {
		log.Info("started", "version", cmdline.Version, "pid", os.Getpid(), "slots", len(o.hsm), "socket", socket.Addr().String())
		var warnings []string
		if log.Warning != "" {
			warnings = []string{log.Warning}
		}
		child.Report(background.Report{Ready: true, Warnings: warnings})
	}, func(ctx context.Context) error { return errors.Join(client.Serve(ctx, socket), client.Close()) })
	log.Info("stopped", "err", err)
	return err
}

// callers returns which group may call besides this user, -1 for none, and the
// mode of the socket.
func callers(group string) (gid int, perm os.FileMode, err error) {
	if group == "" {
		return -1, 0o600, nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, 0, cmdline.Failed(fmt.Errorf("there is no group %s", cmdline.Printable(group)), "make it with groupadd, or leave -hsmgroup out")
	}
	if gid, err = strconv.Atoi(g.Gid); err != nil {
		return 0, 0, err
	}
	return gid, 0o660, nil
}

// openLog opens the log file; in the foreground the terminal or the journal is
// the log unless a file was named. A crash of the detached process writes its
// trace there too.
func openLog(o *options, dirs rundir.Dirs, child *background.Child, stderr io.Writer) *logs.Log {
	lo := logs.Options{Path: o.logFile, Stderr: stderr, Levels: o.levels}
	if child != nil || o.logFile != "" {
		lo.Second = filepath.Join(dirs.State, "pedclient.log")
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

func withHint(err error) error {
	var h admin.Hinter
	if errors.As(err, &h) {
		return cmdline.Failed(err, h.Hint())
	}
	return err
}
