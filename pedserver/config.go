package pedserver

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"openped/certs/linkid"
	"openped/usbped"
)

// DefaultPort is the TCP port that HSM hosts call.
const DefaultPort = 1503

// DefaultAdminPort is the TCP port of administration over the network.
const DefaultAdminPort = 1502

// Config is everything a Server needs. New fills in what is zero.
type Config struct {
	Opener usbped.Opener
	Log    *slog.Logger
	Live   // what Reconfigure can change

	Peer        bool // peer-to-peer: calls the appliances, and listens nowhere
	AutoConnect bool // an appliance that is added is called at once, and for ever

	// Identity and Peers (the registered appliances) are asked at every use; nil
	// functions and nil results are "none", and then there is no TLS.
	Identity func() *linkid.Identity
	Peers    func() *linkid.Registry

	ProofTimeout time.Duration // from ACQUIRE until the HSM has proved itself; default 10 s
	DeviceWait   time.Duration // for one exchange with the PED; default 3 s
	FrameWait    time.Duration // for the PED to take a frame; default 20 s
	ReopenEvery  time.Duration // between attempts to find the PED; default 500 ms

	MaxPending    int // connections without the PED; default 16
	MaxPerAddress int // of those, from one address; default 4

	dial func(ctx context.Context, network, address string) (net.Conn, error) // of tests
}

// TLS is whether the calls of HSM hosts may or must be TLS.
type TLS int

// The settings.
const (
	TLSOff      TLS = 0
	TLSOffered  TLS = 1
	TLSRequired TLS = 2
)

// String returns "off", "offered" or "required".
func (t TLS) String() string {
	switch t {
	case TLSOffered:
		return "offered"
	case TLSRequired:
		return "required"
	}
	return "off"
}

// Live is what may change while a Server runs.
type Live struct {
	IdleTimeout   time.Duration // without a PED frame; default 30 min, negative never
	PingInterval  time.Duration // default 1 s
	PingTimeout   time.Duration // without any frame; default 3 s
	ReadTimeout   time.Duration // until a connection has said what it wants; default 5 s
	WriteTimeout  time.Duration // for one frame to the HSM host; default 3 s
	PedWriteDelay time.Duration // between the pieces of a frame to the PED; default none

	TLS   TLS            // of calls that come in
	Allow []netip.Prefix // whose calls are answered; none: everybody's
}

func set(d *time.Duration, v time.Duration) {
	if *d == 0 {
		*d = v
	}
}

func (c *Live) fill() {
	set(&c.IdleTimeout, 1800*time.Second)
	set(&c.PingInterval, time.Second)
	set(&c.PingTimeout, 3*time.Second)
	set(&c.ReadTimeout, 5*time.Second)
	set(&c.WriteTimeout, 3*time.Second)
}

func (c *Config) fill() {
	c.Live.fill()
	set(&c.ProofTimeout, 10*time.Second)
	set(&c.DeviceWait, 3*time.Second)
	set(&c.FrameWait, 20*time.Second)
	set(&c.ReopenEvery, 500*time.Millisecond)
	if c.MaxPending == 0 {
		c.MaxPending = 16
	}
	if c.MaxPerAddress == 0 {
		c.MaxPerAddress = 4
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Identity == nil {
		c.Identity = func() *linkid.Identity { return nil }
	}
	if c.Peers == nil {
		c.Peers = func() *linkid.Registry { return nil }
	}
	if c.dial == nil {
		c.dial = new(net.Dialer).DialContext
	}
}

// permits reports whether the calls of an address are answered.
func (c *Live) permits(a netip.Addr) bool {
	if len(c.Allow) == 0 {
		return true
	}
	for _, p := range c.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// settings is the Live that is in force.
type settings struct{ p atomic.Pointer[setting] }

type setting struct {
	Live
	changed chan struct{} // closed when another is in force
}

// now returns what is in force, and a channel that is closed when it no longer is.
func (s *settings) now() *setting { return s.p.Load() }

func (s *settings) set(l Live) {
	l.fill()
	if old := s.p.Swap(&setting{l, make(chan struct{})}); old != nil {
		close(old.changed)
	}
}
