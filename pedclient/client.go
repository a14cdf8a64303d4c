package pedclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"openped/hsm"
	"openped/hsm/virtual"
	"openped/internal/peercred"
)

// MaxSlots is how many HSMs one pedclient runs.
const MaxSlots = 64

// How many local programs may be connected at a time.
const (
	maxCallers  = 128
	maxPerUser  = 16 // of one user who is neither root nor this process's
	keptCallers = 8  // places of maxCallers that only these two get
)

// Config is everything a Client needs.
type Config struct {
	HSMFiles []string // state files of virtual HSMs: slots 1, 2, 3 …
	Log      *slog.Logger
	Timers   Timers
	Dial     Dialer // nil: the network
	Group    int    // members of this group may be callers too; negative: none
}

// Client runs the slots and serves callers.
type Client struct {
	cfg     Config
	slots   []*slot
	started time.Time

	mu      sync.Mutex
	callers int
	perUser map[int]int // callers, by user
}

// New opens all slots; if one can not be opened, none is. The error names the
// slot and the remedy.
func New(cfg Config) (*Client, error) {
	cfg.Timers.fill()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if len(cfg.HSMFiles) > MaxSlots {
		return nil, fmt.Errorf("%d HSMs, and one pedclient runs %d at most", len(cfg.HSMFiles), MaxSlots)
	}
	c := &Client{cfg: cfg, started: time.Now(), perUser: map[int]int{}}
	if err := checkDifferent(cfg.HSMFiles); err != nil {
		return nil, err
	}
	for i, path := range cfg.HSMFiles {
		s, err := openSlot(i+1, path, &c.cfg)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("slot %d: %w", i+1, err)
		}
		c.slots = append(c.slots, s)
		info := s.hsm.Info()
		s.log.Info("slot open", "file", s.path, "serial", info.Serial, "firmware", info.Firmware, "initialized", info.Initialized)
	}
	return c, nil
}

// Close closes all slots, at the same time: each may have to tell a PED.
func (c *Client) Close() error {
	errs := make([]error, len(c.slots))
	var all sync.WaitGroup
	for i, s := range c.slots {
		all.Go(func() { errs[i] = s.close() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// slot returns a slot by its number, or nil.
func (c *Client) slot(num uint32) *slot {
	if num < 1 || uint64(num) > uint64(len(c.slots)) {
		return nil
	}
	return c.slots[num-1]
}

// Serve answers callers on l until ctx ends: then their commands are cancelled
// and l is closed. Only root, this process's user and the configured group may
// call.
func (c *Client) Serve(ctx context.Context, l *net.UnixListener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var callers sync.WaitGroup
	defer callers.Wait()
	f := peercred.Filter{
		UnixListener: l,
		Allow:        func(p peercred.Peer) bool { return p.Owner() || p.InGroup(c.cfg.Group) },
		Refuse: func(p peercred.Peer, err error) {
			c.cfg.Log.Warn("refused a caller", "uid", p.UID, "pid", p.PID, "err", err)
		},
	}
	for {
		conn, err := f.Accept()
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
			c.cfg.Log.Warn("accept", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		p, err := peerOf(conn)
		log := c.cfg.Log.With("uid", p.UID, "pid", p.PID)
		if err == nil {
			err = c.admit(p)
		}
		if err != nil {
			log.Warn("refused a caller", "err", err)
			_ = conn.Close()
			continue
		}
		callers.Go(func() {
			defer c.leave(p)
			c.serveCaller(hsm.WithCaller(ctx, fmt.Sprintf("uid %d pid %d", p.UID, p.PID)), conn, log)
		})
	}
}

func peerOf(conn net.Conn) (peercred.Peer, error) {
	if uc, ok := conn.(*net.UnixConn); ok {
		return peercred.Of(uc)
	}
	return peercred.Peer{}, peercred.ErrNoPeer
}

// admit counts a caller, or refuses one too many: no member of the group takes
// all places, and all of them together leave some to root and this user.
func (c *Client) admit(p peercred.Peer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.callers >= maxCallers, !p.Owner() && c.callers >= maxCallers-keptCallers:
		return errors.New("too many callers")
	case !p.Owner() && c.perUser[p.UID] >= maxPerUser:
		return errors.New("too many callers of this user")
	}
	c.callers++
	c.perUser[p.UID]++
	return nil
}

func (c *Client) leave(p peercred.Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.callers--
	if c.perUser[p.UID]--; c.perUser[p.UID] == 0 {
		delete(c.perUser, p.UID)
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
