package libusb

import (
	"errors"
	"fmt"
	"strings"

	"openped/usbped"
)

// session is libusb, started for one PED, and the PED. One goroutine at a time
// uses it: a call of calls.do, or what that call left behind.
type session struct {
	bus     bus
	handles []handle // one, once the PED is chosen
	places  []place  // of each
	claimed bool

	transfers transfers // once it is claimed
}

func (s *session) start(st stack) (err error) {
	s.bus, err = st.start()
	return err
}

// open opens the device at a spot, or all that look like PEDs.
func (s *session) open(ids wanted, at *spot) error {
	saw := false
	handles, err := s.bus.open(func(d *descriptors) bool {
		if at != nil && (d.bus != at.bus || d.address != at.address) || !ids.match(d.vendor, d.product) {
			return false
		}
		_, ok := d.find()
		saw = saw || ok || at != nil
		return ok
	})
	s.handles = handles
	for _, h := range handles {
		p, _ := h.about().find()
		s.places = append(s.places, p)
	}
	switch {
	case len(handles) > 0: // an error is another device's
		return nil
	case err != nil && saw:
		return err
	case saw:
		return fmt.Errorf("%w: it does not have the endpoints of a PED", usbped.ErrNotPED)
	case at != nil:
		return fmt.Errorf("%w: it went while it was opened", usbped.ErrUnplugged)
	}
	return usbped.ErrNoDevice
}

// keep asks the opened devices for their names and closes all but the PED that is
// meant.
func (s *session) keep(serial string) error {
	type named struct {
		i      int
		serial string
	}
	var peds []named
	var failed error
	for i, h := range s.handles {
		product, serial, err := h.names()
		switch {
		case err != nil:
			failed = err
		case strings.HasPrefix(product, usbped.USBProduct):
			peds = append(peds, named{i, serial})
		}
	}
	one, err := choose(peds, serial, func(n named) string { return n.serial })
	if err != nil {
		if failed != nil && errors.Is(err, usbped.ErrNoDevice) {
			return failed
		}
		return err
	}
	for i, h := range s.handles {
		if i != one.i {
			h.close()
		}
	}
	s.handles, s.places = s.handles[one.i:one.i+1], s.places[one.i:one.i+1]
	return nil
}

func (s *session) claim() (err error) {
	if err := s.handles[0].claim(s.places[0]); err != nil {
		return err
	}
	s.claimed = true
	s.transfers, err = s.handles[0].transfers(s.places[0])
	return err
}

// clearHalts takes back that an endpoint does not serve, which is how a PED ends
// what it had with a host before.
func (s *session) clearHalts() error {
	p := s.places[0]
	for _, address := range []uint8{p.out, p.in, p.event} {
		if err := s.handles[0].clearHalt(address); err != nil {
			return err
		}
	}
	return nil
}

// reset resets the port that the PED is plugged in to.
func (s *session) reset() error {
	s.release()
	return s.handles[0].reset()
}

func (s *session) release() {
	if end := s.transfers.end; end != nil {
		s.transfers.end = nil
		end()
	}
	if s.claimed {
		s.claimed = false
		s.handles[0].release()
	}
}

// end gives everything back.
func (s *session) end() error {
	if s.bus == nil {
		return nil
	}
	s.release()
	for _, h := range s.handles {
		h.close()
	}
	s.handles, s.places = nil, nil
	b := s.bus
	s.bus = nil
	return b.close()
}

// late is end for a call that nobody waits for any more.
func (s *session) late() { _ = s.end() }
