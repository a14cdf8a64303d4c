package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"

	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/pedclient"
)

// socketName is the HSM socket in the run folder.
const socketName = "hsm.sock"

// open opens the slots and their socket.
func open(env daemon.Env) (*daemon.Service, error) {
	v := env.Values
	gid, perm, err := callers(v.Text("hsmgroup"))
	if err != nil {
		return nil, err
	}
	files := v.List("hsm")
	client, err := pedclient.New(pedclient.Config{HSMFiles: files, Log: env.Log.Logger, Group: gid, Timers: pedclient.Timers{
		Dial: v.Seconds("socketreadtimeout"), PingInterval: v.Seconds("pinginterval"), PingTimeout: v.Seconds("pingtimeout"),
		Write: v.Seconds("socketwritetimeout"), Idle: v.Seconds("idletimeout")}})
	if err != nil {
		return nil, err
	}
	socket, err := listen(env, gid, perm)
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	return &daemon.Service{
		Serve: func(ctx context.Context) error { return errors.Join(client.Serve(ctx, socket), client.Close()) },
		Status: func() any {
			st := client.Status()
			st.Hostname, _ = os.Hostname()
			st.Version, st.PID, st.LogFile, st.Socket = cmdline.VersionText(), os.Getpid(), env.Log.Place(), socket.Addr().String()
			return st
		},
		Started: []any{"slots", len(files), "socket", socket.Addr().String()},
	}, nil
}

// listen opens the HSM socket, to a group too unless gid is negative.
func listen(env daemon.Env, gid int, perm os.FileMode) (*net.UnixListener, error) {
	socket, err := env.Instance.Listen(socketName, perm)
	if err != nil || gid < 0 {
		return socket, err
	}
	// The group has to get through the folder too, whatever the umask was when it
	// was made.
	fi, err := os.Stat(env.Dirs.Run)
	if err == nil {
		err = errors.Join(os.Chown(socket.Addr().String(), -1, gid), os.Chown(env.Dirs.Run, -1, gid),
			os.Chmod(env.Dirs.Run, fi.Mode().Perm()|0o050))
	}
	if err != nil {
		return nil, cmdline.Failed(fmt.Errorf("open the HSM socket to the group: %w", err), "the run folder must be this user's, who must be in the group")
	}
	return socket, nil
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
