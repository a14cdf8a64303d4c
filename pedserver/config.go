package pedserver

import (
	"log/slog"
	"time"

	"openped/usbped"
)

// DefaultPort is the TCP port that HSM hosts call.
const DefaultPort = 1503

// DefaultAdminPort is shown in the status; the port itself is closed, local
// administration goes over a unix socket.
const DefaultAdminPort = 1502

// Config is everything a Server needs. New fills in what is zero.
type Config struct {
	Opener usbped.Opener
	Log    *slog.Logger

	IdleTimeout  time.Duration // without a PED frame; default 30 min, negative never
	PingInterval time.Duration // default 1 s
	PingTimeout  time.Duration // without any frame; default 3 s
	ReadTimeout  time.Duration // until HELLO and ACQUIRE have come; default 5 s
	WriteTimeout time.Duration // for one frame to the HSM host; default 3 s
	ProofTimeout time.Duration // from ACQUIRE until the HSM has proved itself; default 10 s
	DeviceWait   time.Duration // for one exchange with the PED; default 3 s
	ReopenEvery  time.Duration // between attempts to find the PED; default 500 ms

	MaxPending    int // connections without the PED; default 16
	MaxPerAddress int // of those, from one address; default 4
}

func (c *Config) fill() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.IdleTimeout, 1800*time.Second)
	set(&c.PingInterval, time.Second)
	set(&c.PingTimeout, 3*time.Second)
	set(&c.ReadTimeout, 5*time.Second)
	set(&c.WriteTimeout, 3*time.Second)
	set(&c.ProofTimeout, 10*time.Second)
	set(&c.DeviceWait, 3*time.Second)
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
}
