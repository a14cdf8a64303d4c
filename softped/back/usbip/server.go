package usbip

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"openped/internal/strangers"
	"openped/softped/back/usbdev"
)

// Port is where usbip programs look for devices.
const Port = 3240

// Caps and bounds of the server.
const (
	maxCallers = 16
	opTime     = 5 * time.Second // for an operation, until a device is imported
)

// Server offers a PED to hosts over TCP. One may have it at a time.
type Server struct {
	ID    usbdev.Identity
	Speed usbdev.Speed
	Ports usbdev.Ports   // where the PED takes what hosts configure
	Allow []netip.Prefix // who may come, beside this computer
	Log   *slog.Logger

	mu     sync.Mutex
	host   context.CancelFunc // who has the device; nil: nobody
	pulled bool               // not offered
}

// Plug offers the device, as at first.
func (s *Server) Plug() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pulled = false
	return nil
}

// Unplug takes the device from who has it, and offers it no more.
func (s *Server) Unplug() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pulled = true
	if s.host != nil {
		s.host()
	}
	return nil
}

// take gives the device to a host.
func (s *Server) take(host context.CancelFunc) (status uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.pulled:
		return statusNone
	case s.host != nil:
		return statusBusy
	}
	s.host = host
	return statusDone
}

func (s *Server) free() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.host == nil && !s.pulled
}

func (s *Server) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host = nil
}

// Serve answers callers until ctx ends or the listener fails; then it closes the
// listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer end()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	quiet := strangers.NewQuiet(s.Log)
	wg.Go(func() { quiet.Run(ctx) })
	callers := make(chan struct{}, maxCallers)
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			select { // too many open files, most likely: it passes
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		if addr := strangers.AddrOf(c.RemoteAddr()); !s.allowed(addr) {
			quiet.Say(slog.LevelWarn, addr, "USB/IP caller refused", "address", addr)
			strangers.Abort(c)
			continue
		}
		select {
		case callers <- struct{}{}:
			wg.Go(func() {
				defer func() { <-callers }()
				s.answer(ctx, c)
			})
		default:
			c.Close()
		}
	}
}

func (s *Server) allowed(a netip.Addr) bool {
	return a.IsLoopback() || slices.ContainsFunc(s.Allow, func(p netip.Prefix) bool { return p.Contains(a) })
}

// answer does the one operation of a connection.
func (s *Server) answer(ctx context.Context, c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	_ = c.SetDeadline(time.Now().Add(opTime))
	code, err := readOp(c)
	if err != nil {
		return
	}
	switch code {
	case opDevlist:
		_, _ = c.Write(devlist(s.ID, s.Speed, s.free()))
	case opImport:
		var wanted [busIDSize]byte
		if _, err := io.ReadFull(c, wanted[:]); err != nil {
			return
		}
		s.lend(ctx, c, wanted)
	}
}

// lend gives the device to a host until it goes.
func (s *Server) lend(ctx context.Context, c net.Conn, wanted [busIDSize]byte) {
	if string(wanted[:]) != string(padded(busID, busIDSize)) {
		_, _ = c.Write(opReply(opImport, statusNone).Bytes())
		return
	}
	ctx, pull := context.WithCancel(ctx)
	defer pull()
	if status := s.take(pull); status != statusDone {
		_, _ = c.Write(opReply(opImport, status).Bytes())
		return
	}
	defer s.giveBack()
	if _, err := c.Write(imported(s.ID, s.Speed)); err != nil {
		return
	}
	_ = c.SetDeadline(time.Time{})
	if t, ok := c.(*net.TCPConn); ok {
		// A host that vanished without a word gives the PED up in 11 s.
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3})
	}
	s.Log.Info("imported over USB/IP", "host", c.RemoteAddr().String())
	err := serve(ctx, c, usbdev.New(s.ID, s.Speed, s.Ports))
	s.Log.Info("given back over USB/IP", "host", c.RemoteAddr().String(), "reason", reason(err))
}

// reason is what the log says of an end.
func reason(err error) string {
	if err == nil {
		return "detached"
	}
	return err.Error()
}
