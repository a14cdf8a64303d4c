package pedclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"openped/hsm"
	"openped/protocol/hsmapi"
	"openped/usbped"
)

// defaultDevice is the only PED on a cable.
const defaultDevice = "usb"

// connectLocal connects the slot to a PED of this host.
func (c *call) connectLocal(password bool) error {
	n, err := c.named()
	switch {
	case err != nil:
		return err
	case !c.in.Bool(hsmapi.TagLocal):
		return badArgument("-peddevice names a PED of this host: give -local too")
	case n != named{}:
		return badArgument("-local is a PED of this host: no address, port, PED ID, PEDserver or TLS goes with it")
	case password:
		return badArgument("a local PED needs no one-time password: leave -password out")
	}
	device, err := c.device()
	if err != nil {
		return err
	}
	if err := c.slot.undisturbed(); err != nil {
		return err
	}
	if err := c.slot.checkLocal(); err != nil {
		return err
	}
	return c.slot.connect(c.ctx, way{device: device}, nil, func() {})
}

// device is the PED that is meant. A socket is what its owner says it is: only
// who runs pedclient may name one.
func (c *call) device() (string, error) {
	configured := defaultDevice
	if f := c.w.client.cfg.PEDDevice; f != nil && f() != "" {
		configured = f()
	}
	asked, ok := c.in.Text(hsmapi.TagDevice)
	if !ok || asked == configured {
		return configured, nil
	}
	if err := usbped.CheckDevice(asked); err != nil {
		return "", badArgument("%v", err)
	}
	if usbped.IsSocket(asked) && !c.w.place.peer.Owner {
		return "", &hsmapi.Error{Code: hsmapi.CKR_PED_REFUSED, Msg: "only root and the user of pedclient may name a socket as a PED",
			Hint: "leave -peddevice out, or have it set with `pedclient -mode config -set -peddevice`"}
	}
	return asked, nil
}

// checkLocal refuses a local PED beside a remote one, and says which that is.
func (s *slot) checkLocal() error {
	err := s.hsm.CheckLocal()
	var he *hsm.Error
	if h := s.link(); h != nil && errors.As(err, &he) && he.Code == hsmapi.CKR_OPERATION_ACTIVE {
		out := *he
		out.Msg = fmt.Sprintf("%s (the PEDserver at %s, since %s)", he.Msg, h.line.where, s.hsm.Info().PED.Since.Format(time.TimeOnly))
		return &out
	}
	return err
}

// afterLocal has a remote PED wait for what is going on at the local one.
func (s *slot) afterLocal(ctx context.Context, w way) error {
	if h, now := s.current(); h == nil || !now.local() || w.local() {
		return nil
	}
	ctx, cancel := limited(ctx, s.client.net.clock.get().Dial)
	defer cancel()
	err := s.hsm.Await(ctx)
	var he *hsm.Error
	if errors.As(err, &he) && he.Code == hsmapi.CKR_OPERATION_ACTIVE {
		return &hsm.Error{Code: he.Code, Msg: "the local PED is at work: " + he.Msg, Hint: "wait until that is done, or run `ped disconnect`", Err: he}
	}
	return err
}

// ready makes sure that a local PED is there before a command needs it: one that
// was unplugged is opened again, for which nobody is wanted. What is wrong with
// it is known before anything begins that could count.
func (s *slot) ready(ctx context.Context) error {
	s.settled(ctx)
	h, w := s.last()
	c, ok := h.(*cable)
	if !ok {
		return nil
	}
	switch cause := c.Cause(); {
	case cause == nil:
		return notReady(c.serves())
	case errors.Is(cause.Err, errGivenBack):
		return nil
	}
	if err := s.parted(ctx); err != nil {
		return err
	}
	if err := s.join(ctx, w, nil, func() {}, func() {}); err != nil {
		return notReady(err)
	}
	s.log.Info("the local PED is back", "device", w.device)
	return nil
}

// parted waits until the HSM, too, has noticed that its PED is gone, which is a
// matter of moments.
func (s *slot) parted(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for s.hsm.CheckLocal() != nil {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return s.hsm.CheckLocal()
		}
	}
	return nil
}

// notReady is err for somebody who asked for something else than the PED.
func notReady(err error) error {
	var he *hsm.Error
	if !errors.As(err, &he) || he.Code == hsmapi.CKR_OPERATION_ACTIVE || he.Code == hsmapi.CKR_FUNCTION_CANCELED {
		return err
	}
	out := *he
	out.Msg = "PED not ready: " + he.Msg
	return &out
}
