package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"openped/certs/linkid"
	"openped/certs/linkid/linkcmd"
	"openped/internal/bind"
	"openped/internal/cmdline"
	"openped/internal/conffile"
	"openped/internal/daemon"
	"openped/internal/localsock"
	"openped/internal/rc"
	"openped/internal/setting"
	"openped/pedclient"
	"openped/usbped"
)

// socketName is the HSM socket in the run folder.
const socketName = "hsm.sock"

// server is a running pedclient with what its commands need besides.
type server struct {
	*pedclient.Client
	env    daemon.Env
	store  *linkcmd.Store
	ids    atomic.Pointer[pedclient.IDMap]
	device atomic.Pointer[device]
	socket *localsock.Listener
	port   port
}

// USB opens a PED on a cable: with these ids ("vvvv:pppp", or "" for any) and this
// serial number, "" for the only one. The main function sets it; it is nil in a
// program that was built without USB.
var USB func(id, serial string) usbped.Opener

// device is the PED of this host that is meant when none is named.
type device struct{ name, usbID string }

func deviceOf(v *setting.Values) *device { return &device{v.Text("peddevice"), v.Text("usbid")} }

// usb is pedclient.Config.USB.
func (s *server) usb() func(serial string) usbped.Opener {
	if USB == nil {
		return nil
	}
	return func(serial string) usbped.Opener { return USB(s.device.Load().usbID, serial) }
}

// open opens the slots, their socket, and the port for PEDservers.
func open(env daemon.Env) (*daemon.Service, error) {
	v, log := env.Values, env.Log.Logger
	var access localsock.Access
	var err error
	if group := v.Text("hsmgroup"); group != "" {
		if access.Group, err = localsock.Group(group, "-hsmgroup"); err != nil {
			return nil, err
		}
	}
	s := &server{env: env}
	if s.store, err = linkcmd.Open(env.ConfigPath, v, log, linkid.PEDServer, linkid.Administrator); err != nil {
		return nil, err
	}
	if v.Bool("eadmin") && s.store.Identity() == nil {
		return nil, linkcmd.NoIdentity("-eadmin 1")
	}
	ids, err := readIDs(env.ConfigPath)
	if err != nil {
		return nil, err
	}
	s.ids.Store(ids)
	s.device.Store(deviceOf(v))
	s.port = port{log: log, options: bind.Options{IPs: v.List("listenip"), Port: v.Int("listenport"), External: true, Wait: v.Bool("waitaddress"),
		Log: log, PortFlag: "listenport", IPFlag: "listenip"}}
	service := &daemon.Service{Serve: s.serve, Status: func() any { return s.status() }, Reload: s.reload}
	var opened []func() error
	defer func() {
		if err != nil {
			for _, undo := range opened {
				_ = undo()
			}
		}
	}()
	s.Client, err = pedclient.New(pedclient.Config{HSMFiles: v.List("hsm"), Log: log, Timers: timers(v),
		Identity: s.store.Identity, PEDServers: s.store.Peers(linkid.PEDServer), IDs: s.ids.Load,
		PEDDevice: func() string { return s.device.Load().name }, USB: s.usb()})
	if err != nil {
		return nil, err
	}
	opened = append(opened, s.Close)
	service.Collector = s.Collector()
	if s.socket, err = env.Instance.Listen(socketName, access); err != nil {
		return nil, err
	}
	s.port.serve = s.ServeLinks
	if err = s.port.want(s.expectsCalls()); err != nil {
		return nil, err
	}
	opened = append(opened, func() error { return s.port.want(false) })
	if v.Bool("eadmin") {
		if service.Remote, err = bind.Listen(context.Background(), bind.Options{Port: v.Int("admin"), External: true, Log: log, PortFlag: "admin"}); err != nil {
			return nil, err
		}
		service.Secure = linkid.Acceptor(s.store.Identity, s.store.Peers(linkid.Administrator))
	}
	service.Started = []any{"slots", len(v.List("hsm")), "socket", s.socket.Path, "listening", s.status().Listening}
	return service, nil
}

func (s *server) serve(ctx context.Context) error {
	var links sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	links.Go(func() { s.port.run(ctx) })
	err := s.Client.Serve(ctx, s.socket)
	cancel()
	links.Wait()
	return errors.Join(err, s.Close())
}

// expectsCalls reports whether a PEDserver could call: one is registered, and this
// host can show who it is.
func (s *server) expectsCalls() bool {
	return s.store.Identity() != nil && len(s.store.Peers(linkid.PEDServer)().Peers()) > 0
}

func (s *server) reload(v *setting.Values) error {
	ids, err := readIDs(s.env.ConfigPath)
	if err != nil {
		return err
	}
	if err := s.store.Reload(v); err != nil {
		return err
	}
	s.ids.Store(ids)
	s.device.Store(deviceOf(v))
	s.Reconfigure(timers(v))
	if err := s.port.want(s.expectsCalls()); err != nil {
		return &daemon.Partly{Err: err}
	}
	return nil
}

func timers(v *setting.Values) pedclient.Timers {
	return pedclient.Timers{Dial: v.Seconds("socketreadtimeout"), PingInterval: v.Seconds("pinginterval"), PingTimeout: v.Seconds("pingtimeout"),
		Write: v.Seconds("socketwritetimeout"), Idle: v.Seconds("idletimeout"), IgnoreIdle: v.Bool("ignoreidletimeout")}
}

// readIDs reads the PED IDs of a configuration file, which may be missing.
func readIDs(path string) (*pedclient.IDMap, error) {
	f, err := conffile.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		var ids *pedclient.IDMap
		if ids, err = pedclient.LoadIDs(f); err == nil {
			return ids, nil
		}
		err = fmt.Errorf("%s: %w", path, err)
	}
	return nil, &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.BadConfig, Err: err}
}

// status is the client's, with what it does not know itself.
func (s *server) status() pedclient.Status {
	st, v := s.Status(), s.env.Values
	st.Hostname, _ = os.Hostname()
	st.Version, st.PID, st.Socket = cmdline.VersionText(), os.Getpid(), s.socket.Path
	st.LogFile, st.ConfigFile, st.Service = s.env.Log.Place(), s.env.ConfigPath, s.env.Dirs.Service
	for _, a := range s.port.addrs() {
		if a.State == bind.Listening {
			st.Listening = append(st.Listening, a.Address)
		}
	}
	st.AdminPort, st.ExternalAdmin = v.Int("admin"), v.Bool("eadmin")
	return st
}
