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
	"openped/internal/rc"
	"openped/pedserver"
	"openped/usbped"
)

// open listens, and looks for the PED when served.
func open(env daemon.Env) (*daemon.Service, error) {
	v := env.Values
	opener, _ := usbped.ParseDevice(v.Text("peddevice"))
	listeners, err := listen(v.List("ip"), v.Int("port"))
	if err != nil {
		return nil, err
	}
	var cfg pedserver.Config
	cfg.Opener, cfg.Log = opener, env.Log.Logger
	if cfg.IdleTimeout = v.Seconds("idletimeout"); cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = -1 // never
	}
	cfg.PingInterval, cfg.PingTimeout = v.Seconds("pinginterval"), v.Seconds("pingtimeout")
	cfg.ReadTimeout, cfg.WriteTimeout = v.Seconds("socketreadtimeout"), v.Seconds("socketwritetimeout")
	server := pedserver.New(cfg)
	var fixed pedserver.Status
	about(&fixed, env.Log, listeners)
	return &daemon.Service{
		Serve: func(ctx context.Context) error { return server.Serve(ctx, listeners...) },
		Status: func() any {
			st := server.Status()
			about(&st, env.Log, listeners)
			return st
		},
		Started: []any{"ped", opener.String(), "listening", fixed.Listening},
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
		return failed(rc.PortInUse, fmt.Errorf("port %d is in use by another program", port), "choose another with -port, or end that program")
	case isNotHere(err):
		return failed(rc.AddressNotHere, fmt.Errorf("%s is not an address of this host", ip), "this host has "+hostAddrs()+"; leave -ip out to listen on all")
	case errors.Is(err, os.ErrPermission):
		return failed(rc.AccessDenied, fmt.Errorf("port %d: permission denied", port), "choose a port above 1023 with -port")
	}
	return failed(rc.SocketError, fmt.Errorf("listen on port %d: %w", port, err), "")
}

func failed(code rc.Code, err error, hint string) error {
	return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: code, Err: err, Hint: hint}
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
