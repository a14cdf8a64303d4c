package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/logs"
	"openped/pedserver"
)

// Status implements daemon.Job.
func (*job) Status() daemon.Status { return new(pedserver.Status) }

// Open implements daemon.Job: it listens, and looks for the PED when served.
func (j *job) Open(env daemon.Env) (*daemon.Service, error) {
	listeners, err := listen(j.ips, j.port)
	if err != nil {
		return nil, err
	}
	idle := j.idle
	if idle == 0 {
		idle = -1 // never
	}
	server := pedserver.New(pedserver.Config{
		Opener: j.opener, Log: env.Log.Logger, IdleTimeout: idle, PingInterval: j.ping, PingTimeout: j.pingLoss,
		ReadTimeout: j.read, WriteTimeout: j.write,
	})
	var fixed pedserver.Status
	about(&fixed, env.Log, listeners)
	return &daemon.Service{
		Serve: func(ctx context.Context) error { return server.Serve(ctx, listeners...) },
		Status: func() any {
			st := server.Status()
			about(&st, env.Log, listeners)
			return st
		},
		Started: []any{"ped", j.opener.String(), "listening", fixed.Listening},
	}, nil
}

// about fills in the parts of a status that the server does not know.
func about(st *pedserver.Status, log *logs.Log, listeners []net.Listener) {
	st.Hostname, _ = os.Hostname()
	st.Version = cmdline.VersionText()
	st.ProtocolVersion = pedserver.ProtocolVersion
	st.PID = os.Getpid()
	st.LogFile = log.Place()
	st.Listen(listeners)
}

// listen binds all addresses or none.
func listen(ips []string, port int) ([]net.Listener, error) {
	if len(ips) == 0 {
		ips = []string{""} // all, IPv4 and IPv6
	}
	var ls []net.Listener
	for _, ip := range ips {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
		if err != nil {
			for _, l := range ls {
				l.Close()
			}
			return nil, listenError(ip, port, err)
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
