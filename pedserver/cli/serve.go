package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"openped/certs/linkid"
	"openped/certs/linkid/linkcmd"
	"openped/internal/bind"
	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/rc"
	"openped/internal/setting"
	"openped/pedserver"
)

// server is a running pedserver with what its commands need besides.
type server struct {
	*pedserver.Server
	env       daemon.Env
	store     *linkcmd.Store
	listening *listening // nil: peer-to-peer
}

// open makes what start serves: it listens, and looks for the PED when served.
func open(env daemon.Env) (*daemon.Service, error) {
	v, log := env.Values, env.Log.Logger
	opener := opener(v)
	store, err := linkcmd.Open(env.ConfigPath, v, log, linkid.Appliance, linkid.Administrator)
	if err != nil {
		return nil, err
	}
	if what := needsIdentity(v); what != "" && store.Identity() == nil {
		return nil, linkcmd.NoIdentity(what)
	}
	peer := appliances(v) != nil
	s := &server{env: env, store: store}
	s.Server = pedserver.New(pedserver.Config{
		Opener: opener, Log: log, Live: live(v), Peer: peer, AutoConnect: v.Bool("autoconnect"),
		Identity: store.Identity, Peers: store.Peers(linkid.Appliance),
	})
	for _, name := range appliances(v) {
		if err := s.AddAppliance(name); err != nil {
			return nil, coded(err)
		}
	}
	service := &daemon.Service{Status: func() any { return s.status() }, Reload: s.reload, Endpoints: s.endpoints(), Collector: s.Collector()}
	var ports []net.Listener
	if !peer {
		set, err := bind.Listen(context.Background(), bind.Options{
			IPs: v.List("ip"), Port: v.Int("port"), External: v.Bool("eserverport"), Wait: v.Bool("waitaddress"), Log: log})
		if err != nil {
			return nil, err
		}
		s.listening = &listening{Set: set}
		ports = append(ports, set)
	}
	service.Serve = func(ctx context.Context) error { return s.Serve(ctx, ports...) }
	if v.Bool("eadmin") {
		if service.Remote, err = bind.Listen(context.Background(), bind.Options{Port: v.Int("admin"), External: true, Log: log, PortFlag: "admin"}); err != nil {
			for _, l := range ports {
				_ = l.Close()
			}
			return nil, err
		}
		service.Secure = linkid.Acceptor(store.Identity, store.Peers(linkid.Administrator))
	}
	// Not s.status(): that waits for the first look for the PED, which is to come.
	st := pedserver.Status{Mode: pedserver.ModePeer}
	if !peer {
		st.Mode = pedserver.ModeLegacy
		s.listening.tell(&st)
	}
	service.Started = []any{"ped", opener.String(), "mode", st.Mode, "listening", st.Listening, "tls", pedserver.TLS(v.Int("tls")).String()}
	return service, nil
}

// appliances are those that a start is about: of the command line, and of the
// configuration. None: HSM hosts call.
func appliances(v *setting.Values) (names []string) {
	if n := v.Text("name"); n != "" {
		names = append(names, n)
	}
	for _, n := range v.List("connectto") {
		if !slices.ContainsFunc(names, func(have string) bool { return strings.EqualFold(have, n) }) {
			names = append(names, n)
		}
	}
	return names
}

// needsIdentity says what of the settings can not be without a certificate.
func needsIdentity(v *setting.Values) string {
	switch {
	case v.Text("name") != "":
		return "-name (peer-to-peer)"
	case appliances(v) != nil:
		return "-connectto (peer-to-peer)"
	case v.Bool("eadmin"):
		return "-eadmin 1"
	case pedserver.TLS(v.Int("tls")) == pedserver.TLSRequired:
		return "-tls 2"
	}
	return ""
}

func (s *server) reload(v *setting.Values) error {
	id, err := linkcmd.Identity(v)
	if err != nil {
		return err
	}
	if what := needsIdentity(v); what != "" && id == nil {
		return linkcmd.NoIdentity(what)
	}
	if err := s.store.Reload(v); err != nil {
		return err
	}
	s.Reconfigure(live(v))
	return nil
}

// live are the settings that a running server takes.
func live(v *setting.Values) pedserver.Live {
	l := pedserver.Live{
		IdleTimeout: v.Seconds("idletimeout"), PingInterval: v.Seconds("pinginterval"), PingTimeout: v.Seconds("pingtimeout"),
		ReadTimeout: v.Seconds("socketreadtimeout"), WriteTimeout: v.Seconds("socketwritetimeout"),
		PedWriteDelay: time.Duration(v.Int("pedwritedelay")) * time.Microsecond, TLS: pedserver.TLS(v.Int("tls")),
	}
	if l.IdleTimeout == 0 {
		l.IdleTimeout = -1 // never
	}
	for _, n := range v.List("allow") {
		p, _ := setting.ParseNetwork(n) // checked when it was read
		l.Allow = append(l.Allow, p)
	}
	return l
}

// status is the server's, with what it does not know itself.
func (s *server) status() pedserver.Status {
	st, v := s.Status(), s.env.Values
	st.Hostname, _ = os.Hostname()
	st.Version, st.ProtocolVersion, st.PID = cmdline.VersionText(), pedserver.ProtocolVersion, os.Getpid()
	st.LogFile, st.ConfigFile, st.Service = s.env.Log.Place(), s.env.ConfigPath, s.env.Dirs.Service
	st.AdminPort, st.ExternalAdmin = v.Int("admin"), v.Bool("eadmin")
	s.listening.tell(&st)
	return st
}

var errNotYet = errors.New("not done in time")

// coded gives an error of the server its return code and its remedy.
func coded(err error) error {
	switch err {
	case context.Canceled: // the caller does not hear it if it was he who went
		err = pedserver.ErrStopping
	case context.DeadlineExceeded:
		err = errNotYet
	}
	e := &cmdline.ExitError{Code: cmdline.ExitFailed, Err: err, RC: rc.PeerUnreachable}
	var h interface {
		error
		Hint() string
	}
	if errors.As(err, &h) {
		e.Hint = h.Hint()
	}
	var refused *linkid.RefusedError
	switch {
	case errors.Is(err, pedserver.ErrLegacy):
		e.RC = rc.LegacyMode
	case errors.Is(err, pedserver.ErrNotRegistered), errors.Is(err, pedserver.ErrNotStarted):
		e.RC = rc.NotRegistered
	case errors.Is(err, pedserver.ErrTaken):
		e.RC = rc.InUse
	case errors.Is(err, pedserver.ErrHangs):
		e.RC = rc.OperationTimedOut
	case errors.Is(err, pedserver.ErrAdded):
		e.RC = rc.AlreadyRunning
	case errors.Is(err, pedserver.ErrNoIdentity):
		e.RC = rc.NoIdentity
	case errors.Is(err, pedserver.ErrStopping):
		e.RC = rc.NotRunning
	case err == errNotYet:
		e.RC, e.Hint = rc.OperationTimedOut, "pedserver goes on with it: -mode show tells how far it is"
	case errors.As(err, &refused), errors.Is(err, linkid.ErrClosedEarly):
		e.RC = rc.PeerRefused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		e.RC = rc.OperationTimedOut
	}
	return e
}
