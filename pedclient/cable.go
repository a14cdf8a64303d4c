package pedclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"openped/hsm"
	"openped/internal/logs"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/usbped"
)

// Bounds of what is done with a PED of this host.
const (
	cableOpen  = 15 * time.Second // a mute PED's port is reset, which takes its time
	cableState = 2 * time.Second  // for the PED to say which mode it is in
	cableGrace = time.Second      // for it to go idle before it is given up
	cableLeave = time.Second      // for it to notice that the host before has gone
	cablePing  = time.Second      // between two pings
	cableTries = 3                // to open one that is mute
)

// cables are the PEDs of this host that slots have open: each is opened for a
// slot, and closed when the slot gives it back, so that others can have it.
type cables struct {
	usb func(serial string) usbped.Opener

	mu   sync.Mutex
	uses map[*use]bool
}

// use is one slot's use of a device, from before it is opened until it is closed.
type use struct {
	device string
	slot   *slot
	caller string
	since  time.Time
	ending chan struct{} // closed when the slot does not have it any more
	freed  chan struct{} // closed when nobody has
}

func newCables(usb func(string) usbped.Opener) *cables {
	return &cables{usb: usb, uses: map[*use]bool{}}
}

// reserve makes the slot the one that may open a device. It waits for one that
// is being closed.
func (cs *cables) reserve(ctx context.Context, device string, s *slot) (*use, error) {
	for {
		cs.mu.Lock()
		other := cs.find(func(u *use) bool { return u.device == device })
		if other == nil {
			u := &use{device: device, slot: s, caller: hsm.CallerOf(ctx), since: time.Now(), ending: make(chan struct{}), freed: make(chan struct{})}
			cs.uses[u] = true
			cs.mu.Unlock()
			return u, nil
		}
		cs.mu.Unlock()
		select {
		case <-other.ending:
		default:
			return nil, other.busy()
		}
		select {
		case <-other.freed:
		case <-ctx.Done():
			return nil, cableError(ctx, device, ctx.Err())
		}
	}
}

// find is for who holds cs.mu.
func (cs *cables) find(which func(*use) bool) *use {
	for u := range cs.uses {
		if which(u) {
			return u
		}
	}
	return nil
}

func (cs *cables) free(u *use) {
	cs.mu.Lock()
	delete(cs.uses, u)
	cs.mu.Unlock()
	close(u.freed)
}

func (u *use) busy() *hsm.Error {
	return &hsm.Error{Code: hsmapi.CKR_PED_BUSY, Hint: fmt.Sprintf("run `ped disconnect -slot %d` first", u.slot.num),
		Msg: fmt.Sprintf("the PED %s serves slot %d, connected%s, since %s", u.device, u.slot.num, hsm.ByCaller(u.caller), u.since.Format(time.TimeOnly))}
}

// open opens a PED of this host for a slot, if its operator has chosen Local.
// Errors are *hsm.Error.
func (cs *cables) open(ctx context.Context, device string, s *slot) (*cable, error) {
	opener, ok := usbped.ParseDevice(device, cs.usb)
	if !ok {
		return nil, &hsm.Error{Code: hsmapi.CKR_ARGUMENTS_BAD, Msg: usbped.CheckDevice(device).Error(), Hint: hsmapi.CKR_ARGUMENTS_BAD.Hint()}
	}
	ctx, cancel := context.WithTimeout(ctx, cableOpen)
	defer cancel()
	u, err := cs.reserve(ctx, device, s)
	if err != nil {
		return nil, err
	}
	dev, err := openCable(ctx, opener)
	if err != nil {
		cs.free(u)
		if other := cs.otherName(device); other != nil && errors.Is(err, usbped.ErrInUse) {
			return nil, other.busy()
		}
		return nil, cableError(ctx, device, err)
	}
	c := newCable(dev, u, cs, s.log)
	if err := c.settle(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	i := dev.Info()
	c.log.Info("local PED opened", "device", device, "ped", i.Serial, "firmware", i.Firmware, "software", i.Software)
	return c, nil
}

// openCable opens a device. One that nobody has who could be named may not have
// noticed yet that it was given up; one that is mute may be no more than slow.
func openCable(ctx context.Context, o usbped.Opener) (usbped.Device, error) {
	begin := time.Now()
	for mute := 1; ; {
		dev, err := usbped.OpenReset(ctx, o)
		var held *usbped.HeldError
		pause := 20 * time.Millisecond
		switch {
		case errors.Is(err, usbped.ErrMute) && mute < cableTries:
			mute++
			pause = time.Second
		case !errors.Is(err, usbped.ErrInUse) || errors.As(err, &held) || time.Since(begin) > cableLeave:
			return dev, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// otherName finds who may have a device of USB by another of its names.
func (cs *cables) otherName(device string) *use {
	usb := func(d string) bool { return strings.HasPrefix(d, "usb") }
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if !usb(device) {
		return nil
	}
	return cs.find(func(u *use) bool { return usb(u.device) })
}

// cableError says why a PED of this host could not be had.
func cableError(ctx context.Context, device string, err error) *hsm.Error {
	if e := cancelled(ctx, err); e != nil {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return unplugged("the PED "+device+" does not answer", "unplug it and plug it in again", err)
	}
	var known interface {
		error
		Hint() string
	}
	e := unplugged("the PED "+device+" cannot be used", "see pedclient's log", err)
	if errors.As(err, &known) {
		e.Msg, e.Hint = device+": "+known.Error(), known.Hint()
	}
	if errors.Is(err, usbped.ErrInUse) {
		e.Code = hsmapi.CKR_PED_BUSY
		e.Hint += "; pedserver does at `pedserver -mode release`"
	}
	return e
}

// cable is a PED of this host that a slot has. It implements hsm.LocalConn.
type cable struct {
	*tenure
	dev  usbped.Device
	use  *use
	all  *cables
	log  *slog.Logger
	stop context.CancelFunc
	told chan struct{} // closed at the first event
}

var (
	_ held          = (*cable)(nil)
	_ hsm.LocalConn = (*cable)(nil)
)

func newCable(dev usbped.Device, u *use, all *cables, log *slog.Logger) *cable {
	i := dev.Info()
	ctx, stop := context.WithCancel(context.Background())
	c := &cable{tenure: newTenure(protocol.Acquired{Serial: i.Serial, Firmware: i.Firmware, Software: i.Software}),
		dev: dev, use: u, all: all, log: log, stop: stop, told: make(chan struct{})}
	go c.read(ctx)
	go c.ping(ctx)
	return c
}

// Device implements hsm.LocalConn.
func (c *cable) Device() usbped.Device { return c.dev }

// Send writes one frame of the channel.
func (c *cable) Send(ctx context.Context, frame []byte) error {
	if c.over() {
		return c.err()
	}
	c.log.Log(ctx, logs.LevelTrace, "frame to PED", "bytes", len(frame))
	err := c.dev.Send(ctx, frame)
	if err != nil && ctx.Err() == nil {
		c.end(c.lost(err))
		return c.err()
	}
	return err
}

func (c *cable) read(ctx context.Context) {
	first := sync.OnceFunc(func() { close(c.told) })
	for {
		m, err := c.dev.Recv(ctx)
		if err != nil {
			c.end(c.lost(err))
			return
		}
		if m.Event != nil {
			c.log.Log(ctx, logs.LevelTrace, "event from PED", "kind", m.Event.Kind.String(), "mode", m.Event.Mode.String(), "busy", m.Event.Busy)
			c.setState(*m.Event)
			first()
			continue
		}
		c.log.Log(ctx, logs.LevelTrace, "frame from PED", "bytes", len(m.Frame))
		c.deliver(m.Frame)
	}
}

// ping finds out that a PED is gone whose cable does not say so.
func (c *cable) ping(ctx context.Context) {
	tick := time.NewTicker(cablePing)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		pctx, cancel := context.WithTimeout(ctx, usbped.PongTimeout+time.Second)
		err := c.dev.Ping(pctx)
		cancel()
		if err != nil {
			c.end(c.lost(err))
			return
		}
	}
}

// lost is the cause when the PED is gone.
func (c *cable) lost(err error) *hsm.Error {
	const hint = "plug it in again: the next command that needs it finds it by itself"
	if errors.Is(err, usbped.ErrMute) {
		return unplugged("the local PED does not answer", "unplug it and "+hint, err)
	}
	return unplugged("the local PED was unplugged", hint, err)
}

// Close gives the PED up. It returns when others can have it.
func (c *cable) Close() error {
	if c.decide(unplugged("the local PED was disconnected", "run `ped connect -local`", errGivenBack)) {
		ctx, cancel := context.WithTimeout(context.Background(), cableGrace)
		_ = c.dev.Cancel(ctx)
		cancel()
		c.part()
	}
	<-c.use.freed
	return nil
}

// end is the end that comes from the PED.
func (c *cable) end(cause *hsm.Error) {
	if c.decide(cause) {
		c.log.Info("local PED lost", "device", c.use.device, "err", cause.Err)
		c.part()
	}
}

// part lets the slot know first: closing may take its time.
func (c *cable) part() {
	close(c.use.ending)
	c.stop()
	c.leave()
	_ = c.dev.Close()
	c.all.free(c.use)
}

// settle waits until the PED has said which mode it is in, and refuses one whose
// operator has not chosen Local.
func (c *cable) settle(ctx context.Context) error {
	t := time.NewTimer(cableState)
	defer t.Stop()
	select {
	case <-c.told:
		return c.serves()
	case <-c.gone:
		return c.err()
	case <-t.C:
		return unplugged("the PED "+c.use.device+" does not say which mode it is in", "unplug it and plug it in again", nil)
	case <-ctx.Done():
		return cableError(ctx, c.use.device, ctx.Err())
	}
}

// serves refuses a PED that is not in Local.
func (c *cable) serves() error {
	st := c.State()
	if st == nil || st.Mode == protocol.PEDModeLocal {
		return nil
	}
	is := fmt.Sprintf("is in mode %v", st.Mode)
	if st.Mode == protocol.PEDModeAdmin {
		is = "shows its menu"
	}
	return &hsm.Error{Code: hsmapi.CKR_PED_REFUSED, Msg: fmt.Sprintf("PED %s %s, and a local connection needs mode local", c.ped.Serial, is),
		Hint: "choose it at the PED: press <, then 0 (Local PED-USB), and run the command again"}
}
