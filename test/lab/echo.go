package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"openped/protocol"
	"openped/usbped"
)

// echoLimit bounds the wait for an echo.
const echoLimit = 10 * time.Second

// EchoPED is a PED that sends every frame back. It lets any number of hosts plug
// it in: the cable and PEDserver have the same PED at the same time.
type EchoPED struct {
	net.Listener
	Path  string
	hosts sync.WaitGroup
}

// PlugEcho makes one that listens at path.
func PlugEcho(path string) (*EchoPED, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	p := &EchoPED{Listener: l, Path: path}
	p.hosts.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.hosts.Go(func() { serveEcho(c) })
		}
	})
	return p, nil
}

// serveEcho serves one host. To the first frame an HSM seems to have proved
// itself: PEDserver would drop the connection otherwise.
func serveEcho(c net.Conn) {
	g := usbped.NewGadget(c, usbped.Info{Serial: "ECHO", Firmware: "2.9.0", Software: true})
	defer g.Close()
	ctx := context.Background()
	state := protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote}
	proven := false
	for {
		m, err := g.Recv(ctx)
		if err != nil {
			return
		}
		if m.Kind != usbped.HostFrame {
			proven = false
			if err = g.SendEvent(ctx, state); err == nil && m.Kind == usbped.HostCancel {
				err = g.SendCanceled(ctx, m.Token)
			}
		} else {
			if !proven {
				proven = true
				_ = g.SendEvent(ctx, protocol.PEDEvent{Kind: protocol.EvtProven, Mode: protocol.PEDModeRemote})
			}
			err = g.SendFrame(ctx, m.Frame)
		}
		if err != nil {
			return
		}
	}
}

// ErrEcho is what came back that was not what was sent.
var ErrEcho = errors.New("the frame has changed on its way")

// EchoLine is an HSM host's connection to PEDserver, reduced to what one frame
// needs: PINGs are answered between two frames.
type EchoLine struct {
	net.Conn
	wmu  sync.Mutex
	in   chan int // lengths of frames
	dead chan struct{}
}

// DialEcho connects to a pedserver that has an EchoPED, and gets the PED.
func DialEcho(addr string) (*EchoLine, error) {
	c, err := net.DialTimeout("tcp", addr, echoLimit)
	if err != nil {
		return nil, err
	}
	l := &EchoLine{Conn: c, in: make(chan int, 1), dead: make(chan struct{})}
	if err := l.acquire(); err != nil {
		c.Close()
		return nil, err
	}
	go l.read()
	return l, nil
}

func (l *EchoLine) acquire() error {
	_ = l.SetDeadline(time.Now().Add(echoLimit))
	defer l.SetDeadline(time.Time{})
	for _, b := range []protocol.Body{
		protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion, Software: "lab"},
		protocol.Acquire{HSMSerial: "ECHO"},
	} {
		if err := protocol.WriteBody(l.Conn, b); err != nil {
			return err
		}
		f, err := protocol.ReadFrame(l.Conn)
		if err != nil {
			return err
		}
		if f.Type != protocol.FrameHello && f.Type != protocol.FrameAcquired {
			return fmt.Errorf("pedserver answered %v to %v", f.Type, b)
		}
	}
	return nil
}

func (l *EchoLine) read() {
	defer close(l.dead)
	for {
		f, err := protocol.ReadFrame(l.Conn)
		if err != nil {
			return
		}
		switch f.Type {
		case protocol.FramePing:
			l.wmu.Lock()
			err = protocol.WriteBody(l.Conn, protocol.Pong{Token: 0})
			l.wmu.Unlock()
			if err != nil {
				return
			}
		case protocol.FramePED:
			l.in <- len(f.Body)
		}
	}
}

// Echo sends a frame and waits for it to come back.
func (l *EchoLine) Echo(frame []byte) error {
	l.wmu.Lock()
	err := protocol.WriteBody(l.Conn, protocol.PEDFrame{Bytes: frame})
	l.wmu.Unlock()
	if err != nil {
		return err
	}
	late := time.NewTimer(echoLimit)
	defer late.Stop()
	select {
	case n := <-l.in:
		if n != len(frame) {
			return ErrEcho
		}
		return nil
	case <-l.dead:
		return io.ErrUnexpectedEOF
	case <-late.C:
		return errors.New("no echo in time")
	}
}
