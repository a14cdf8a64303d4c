package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"

	"openped/protocol"
	"openped/usbped"
)

// frameSize is the size of the frames carried: a record of the channel with the
// usual small message in it.
const frameSize = 336

// waitFrame bounds the wait for anything here.
const waitFrame = 10 * time.Second

// measureRelay prints what one frame costs more when PEDserver carries it: half
// of how much longer a frame and its echo take through a pedserver of its own
// process, over TCP on loopback, than on a cable to the same PED.
func measureRelay(w io.Writer, p plan, d *daemons) error {
	ped, err := plugEcho(filepath.Join(d.dir, "echo.sock"))
	if err != nil {
		return err
	}
	defer ped.Close()
	stop, addr, err := d.runServer("unix:" + ped.path)
	if err != nil {
		return err
	}
	defer stop()
	direct, err := dialPED(ped.path)
	if err != nil {
		return err
	}
	defer direct.Close()
	relayed, err := dialRelay(addr)
	if err != nil {
		return err
	}
	defer relayed.Close()
	frame := make([]byte, frameSize)
	rounds, err := interleave(p, time.Now,
		side{"a frame on the cable", func() error { return direct.echo(frame) }},
		side{"a frame through pedserver", func() error { return relayed.echo(frame) }})
	if err != nil {
		return err
	}
	added := make([]float64, len(rounds))
	for i, took := range rounds {
		added[i] = 1e6 * (took[1] - took[0]).Seconds() / 2
	}
	printLine(w, "relay_frame_added_us", "%.1f", median(added))
	printLine(w, "cable_frame_us", "%.1f", 1e6*typical(rounds, 0)/2)
	return nil
}

// echoPED is a PED that sends every frame back. It lets any number of hosts plug
// it in: the cable and PEDserver have the same PED at the same time.
type echoPED struct {
	net.Listener
	path  string
	hosts sync.WaitGroup
}

func plugEcho(path string) (*echoPED, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	p := &echoPED{Listener: l, path: path}
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
			err = g.SendEvent(ctx, state)
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

var errEcho = errors.New("the frame has changed on its way")

// cable is a host's connection to the PED.
type cable struct{ usbped.Device }

func dialPED(path string) (cable, error) {
	ctx, cancel := context.WithTimeout(context.Background(), waitFrame)
	defer cancel()
	d, err := usbped.SocketOpener{Path: path}.Open(ctx)
	return cable{d}, err
}

func (c cable) echo(frame []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), waitFrame)
	defer cancel()
	if err := c.Send(ctx, frame); err != nil {
		return err
	}
	for {
		m, err := c.Recv(ctx)
		if err != nil {
			return err
		}
		if m.Event == nil {
			if len(m.Frame) != len(frame) {
				return errEcho
			}
			return nil
		}
	}
}

// relay is an HSM host's connection to PEDserver, reduced to what one frame
// needs: PINGs are answered between two frames.
type relay struct {
	net.Conn
	wmu  sync.Mutex
	in   chan int // lengths of frames
	dead chan struct{}
}

func dialRelay(addr string) (*relay, error) {
	c, err := net.DialTimeout("tcp", addr, waitFrame)
	if err != nil {
		return nil, err
	}
	r := &relay{Conn: c, in: make(chan int, 1), dead: make(chan struct{})}
	if err := r.acquire(); err != nil {
		c.Close()
		return nil, err
	}
	go r.read()
	return r, nil
}

func (r *relay) acquire() error {
	_ = r.SetDeadline(time.Now().Add(waitFrame))
	defer r.SetDeadline(time.Time{})
	for _, b := range []protocol.Body{
		protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion, Software: "bench"},
		protocol.Acquire{HSMSerial: "BENCH"},
	} {
		if err := protocol.WriteBody(r.Conn, b); err != nil {
			return err
		}
		f, err := protocol.ReadFrame(r.Conn)
		if err != nil {
			return err
		}
		if f.Type != protocol.FrameHello && f.Type != protocol.FrameAcquired {
			return fmt.Errorf("pedserver answered %v to %v", f.Type, b)
		}
	}
	return nil
}

func (r *relay) read() {
	defer close(r.dead)
	for {
		f, err := protocol.ReadFrame(r.Conn)
		if err != nil {
			return
		}
		switch f.Type {
		case protocol.FramePing:
			r.wmu.Lock()
			err = protocol.WriteBody(r.Conn, protocol.Pong{Token: 0})
			r.wmu.Unlock()
			if err != nil {
				return
			}
		case protocol.FramePED:
			r.in <- len(f.Body)
		}
	}
}

func (r *relay) echo(frame []byte) error {
	r.wmu.Lock()
	err := protocol.WriteBody(r.Conn, protocol.PEDFrame{Bytes: frame})
	r.wmu.Unlock()
	if err != nil {
		return err
	}
	late := time.NewTimer(waitFrame)
	defer late.Stop()
	select {
	case n := <-r.in:
		if n != len(frame) {
			return errEcho
		}
		return nil
	case <-r.dead:
		return io.ErrUnexpectedEOF
	case <-late.C:
		return errors.New("no echo in time")
	}
}
