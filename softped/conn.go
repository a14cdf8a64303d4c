package softped

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"openped/certs"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/usbped"
)

// Gadget is the PED's end of the cable: a *usbped.Gadget.
type Gadget interface {
	Recv(context.Context) (usbped.FromHost, error)
	SendFrame(context.Context, []byte) error
	SendEvent(context.Context, protocol.PEDEvent) error
	SendCanceled(context.Context, uint32) error
}

// conn is one host connection. There is one at a time.
type conn struct {
	p       *PED
	g       Gadget
	ctx     context.Context
	mu      sync.Mutex
	link    *link // the channel, if one has begun
	session atomic.Bool
	jobs    sync.WaitGroup
}

func (c *conn) inSession() bool { return c.session.Load() }

// ErrServing means that another host has the PED.
var ErrServing = errors.New("PED is in use by another host")

// Serve serves one host until it goes or ctx ends, and returns the reason. While
// it runs, another Serve returns ErrServing.
func (p *PED) Serve(ctx context.Context, g Gadget) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c := &conn{p: p, g: g, ctx: ctx}
	p.mu.Lock()
	if p.conn != nil {
		p.mu.Unlock()
		return ErrServing
	}
	p.conn = c
	p.mu.Unlock()
	err := c.loop()
	c.drop(stopLost)
	stop()
	c.jobs.Wait()
	p.mu.Lock()
	p.conn = nil
	p.mu.Unlock()
	p.log.Info("host gone", "reason", err)
	return err
}

// stopLost ends what runs when the host or the HSM goes.
var stopLost = &stop{reason: protocol.CancelHost, fromHSM: true, show: []string{"Connection lost."}}

func (c *conn) loop() error {
	for {
		m, err := c.g.Recv(c.ctx)
		if err != nil {
			return err
		}
		switch m.Kind {
		case usbped.HostOpened:
			c.p.log.Info("host opened the PED")
			c.drop(stopLost)
			c.p.tell(protocol.EvtState)
		case usbped.HostCancel:
			c.p.log.Info("host cancelled")
			c.drop(stopLost)
			if err := c.g.SendCanceled(c.ctx, m.Token); err != nil {
				c.p.log.Warn("cancel not answered", "error", err)
			}
		case usbped.HostGone:
			c.p.log.Info("host gone")
			c.drop(stopLost)
		case usbped.HostFrame:
			c.frame(m.Frame)
		}
	}
}

// frame takes one message of the channel. What belongs to no channel is dropped:
// it may have crossed our alert.
func (c *conn) frame(b []byte) {
	if channel.IsHello(b) {
		c.hello(b)
		return
	}
	if l := c.current(); l != nil {
		l.frame(b)
	}
}

func (c *conn) current() *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link
}

// hello starts a handshake. Nothing is shown: anybody can say hello.
func (c *conn) hello(b []byte) {
	c.drop(stopLost)
	p := c.p
	p.mu.Lock()
	verifier := p.verifier
	unknown, choice := p.mode == protocol.PEDModePair, p.choice
	p.mu.Unlock()
	v, reply, err := channel.NewV(channel.VConfig{
		Modes: p.serves, AllowUnknownRoot: unknown, Verifier: verifier, CheckCounter: p.counter, Limits: p.limits,
	}, b)
	if err != nil {
		p.log.Warn("handshake refused", "error", err, "mode", p.Mode().String())
		c.send(channel.AlertRecord())
		return
	}
	l := newLink(c, v, choice)
	c.mu.Lock()
	c.link = l
	c.mu.Unlock()
	// Whoever chose a mode before this line found no channel to hang up.
	if !p.stillServes(l) {
		l.fail(channel.ErrMode)
		return
	}
	p.log.Info("handshake", "hsm", l.peer.Serial, "root-known", l.peer.Known, "mode", l.mode.String())
	c.send(reply)
}

// counter is channel.VConfig.CheckCounter.
func (p *PED) counter(id channel.Identity) error {
	if err := p.mem.checkCounter(id.IssuingFP, id.StartCounter); err != nil {
		return err
	}
	return p.mem.sawCounter(id.IssuingFP, id.StartCounter)
}

// storeRoot makes an origin root known, after its HSM's Confirm.
func (p *PED) storeRoot(chain [][]byte) {
	if len(chain) < 3 {
		return
	}
	_, err := certs.ParseRoot(chain[2])
	if err == nil {
		err = p.mem.addRoot(chain[2])
	}
	if err == nil {
		err = p.loadRoots()
	}
	if err != nil {
		p.log.Error("origin root not stored: the next handshake will not know it", "error", err)
		return
	}
	p.log.Info("new origin root stored")
}

func (c *conn) send(frame []byte) {
	if err := c.g.SendFrame(c.ctx, frame); err != nil && c.ctx.Err() == nil {
		c.p.log.Warn("frame not sent", "error", err)
	}
}

// drop ends the channel without a word to the HSM: it is gone, or begins anew.
// It waits for the dialogue to leave the keypad, which takes no longer than
// writing a key.
func (c *conn) drop(why *stop) {
	if l := c.current(); l != nil {
		if j := l.end(why, nil); j != nil {
			<-j.done
		}
	}
}

// hangUp ends the channel and says so. A nil why is the operator's doing.
func (p *PED) hangUp(why *stop) {
	p.mu.Lock()
	c := p.conn
	p.mu.Unlock()
	if c == nil {
		return
	}
	if why == nil {
		why = stopOperator
	}
	if l := c.current(); l != nil {
		l.end(why, l.farewell())
	}
}
