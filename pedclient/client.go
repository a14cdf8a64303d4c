package pedclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"openped/certs/linkid"
	"openped/hsm"
	"openped/hsm/virtual"
	"openped/internal/localsock"
	"openped/internal/strangers"
	"openped/usbped"
)

// MaxSlots is how many HSMs one pedclient runs.
const MaxSlots = 256

// Ports.
const (
	DefaultPort       = 1503 // of a PEDserver, when none is named
	DefaultListenPort = 9697 // where PEDservers call
	DefaultAdminPort  = 1501
)

// opening is how many slots are opened at a time.
const opening = 8

// Config is everything a Client needs.
type Config struct {
	HSMFiles []string // state files of virtual HSMs: slots 1, 2, 3 …
	Log      *slog.Logger
	Timers   Timers
	Dial     Dialer // nil: the network

	// What was read from the configuration last, and is asked for at each use.
	// Each may be nil, and so may what it returns.
	Identity   func() *linkid.Identity
	PEDServers func() *linkid.Registry
	IDs        func() *IDMap
	PEDDevice  func() string // the PED of this host that is meant when none is named; "" is usb

	// USB opens a PED on a cable by its serial number, "" for the only one. Nil:
	// this program was built without USB.
	USB func(serial string) usbped.Opener
}

// Client runs the slots and serves callers.
type Client struct {
	cfg     Config
	slots   []*slot
	started time.Time
	net     *network
	hub     *hub
	local   *cables
	counts  *counters
	closed  atomic.Bool

	limits     *strangers.Limits // on the port for PEDservers
	quiet      *strangers.Quiet
	handshakes *strangers.Pace

	places *places // of callers
}

// New opens all slots; if one can not be opened, none is. The error names the
// slot and the remedy.
func New(cfg Config) (*Client, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.HSMFiles) > MaxSlots {
		return nil, fmt.Errorf("%d HSMs, and one pedclient runs %d at most", len(cfg.HSMFiles), MaxSlots)
	}
	c := &Client{cfg: cfg, started: time.Now(), hub: newHub(), local: newCables(cfg.USB), counts: newCounters(), places: newPlaces(),
		limits: strangers.NewLimits(maxPending, maxPerAddr), quiet: strangers.NewQuiet(cfg.Log), handshakes: strangers.NewPace(tlsPace)}
	c.net = &network{dial: cfg.Dial, clock: newClock(cfg.Timers), secure: &secure{identity: cfg.Identity, servers: cfg.PEDServers, refused: c.counts.refuse}}
	if err := checkDifferent(cfg.HSMFiles); err != nil {
		return nil, err
	}
	if err := c.open(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// open opens the slots, several at a time: most of it is waiting for the disk.
func (c *Client) open() error {
	slots, errs := make([]*slot, len(c.cfg.HSMFiles)), make([]error, len(c.cfg.HSMFiles))
	room := make(chan struct{}, opening)
	var all sync.WaitGroup
	for i, path := range c.cfg.HSMFiles {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			slots[i], errs[i] = openSlot(i+1, path, c)
		})
	}
	all.Wait()
	for i, s := range slots {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("slot %d: %w", i+1, errs[i])
			continue
		}
		c.slots = append(c.slots, s)
		info := s.hsm.Info()
		s.log.Info("slot open", "file", s.path, "serial", info.Serial, "firmware", info.Firmware, "initialized", info.Initialized)
	}
	return errors.Join(errs...)
}

// Close closes all slots, at the same time: each may have to tell a PED. Then it
// ends the links that PEDservers have made.
func (c *Client) Close() error {
	c.closed.Store(true)
	errs := make([]error, len(c.slots))
	var all sync.WaitGroup
	for i, s := range c.slots {
		all.Go(func() { errs[i] = s.close() })
	}
	all.Wait()
	for _, l := range c.hub.all() {
		all.Go(func() { l.end(errStopping) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Reconfigure takes other timers, also for links that are up, and ends links
// with PEDservers that are not registered any more as they were.
func (c *Client) Reconfigure(t Timers) {
	c.net.clock.set(t)
	reg := c.net.secure.registry()
	lines := c.hub.all()
	for _, s := range c.slots {
		if h := s.link(); h != nil && !h.line.parks {
			lines = append(lines, h.line)
		}
	}
	var all sync.WaitGroup
	for _, l := range lines {
		all.Go(func() { l.recheck(reg) })
	}
	all.Wait()
}

// ids returns the PED IDs of the moment.
func (c *Client) ids() *IDMap {
	if c.cfg.IDs == nil {
		return nil
	}
	return c.cfg.IDs()
}

// slot returns a slot by its number, or nil.
func (c *Client) slot(num uint32) *slot {
	if num < 1 || uint64(num) > uint64(len(c.slots)) {
		return nil
	}
	return c.slots[num-1]
}

// Serve answers callers whom l allows until ctx ends: then their commands are
// cancelled and l is closed.
func (c *Client) Serve(ctx context.Context, l *localsock.Listener) error {
	var callers sync.WaitGroup
	defer callers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	callers.Go(func() { c.quiet.Run(ctx) })
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			c.quiet.Say(slog.LevelWarn, netip.Addr{}, "accept on the HSM socket", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		p, err := localsock.PeerOf(conn)
		why := turnedUser
		var place *place
		if err == nil && l.Access.Allows(p) {
			why = turnedCallers
			place, err = c.places.take(p, conn)
		}
		if place == nil {
			_ = conn.Close()
			c.counts.turn(why)
			c.quiet.Say(slog.LevelWarn, netip.Addr{}, "refused a caller of uid "+p.User, "pid", p.PID, "err", err)
			continue
		}
		log := c.cfg.Log.With("uid", p.User, "pid", p.PID)
		callers.Go(func() {
			defer place.leave()
			c.serveCaller(hsm.WithCaller(ctx, fmt.Sprintf("uid %s pid %d", p.User, p.PID)), conn, place, log)
		})
	}
}

// checkDifferent refuses one HSM in two slots, whatever names it is given by.
func checkDifferent(files []string) error {
	slots := map[string]int{}
	for i, path := range files {
		real, err := virtual.Resolve(path)
		if err != nil {
			return fmt.Errorf("slot %d: %w", i+1, err)
		}
		if n := slots[real]; n > 0 {
			return fmt.Errorf("slot %d: %s is the file of slot %d already: give each HSM once", i+1, path, n)
		}
		slots[real] = i + 1
	}
	return nil
}
