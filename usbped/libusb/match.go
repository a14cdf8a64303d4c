package libusb

import "openped/usbped"

// descriptors is what a device says of itself, as far as it matters here.
type descriptors struct {
	bus, address    int
	vendor, product uint16
	configs         []config
}

type config struct {
	number     int
	interfaces []iface
}

// iface is an interface with its alternate settings.
type iface struct {
	number   int
	settings []setting
}

type setting struct {
	alternate                 int
	class, subclass, protocol uint8
	endpoints                 []endpoint
}

type endpoint struct {
	address uint8 // with the direction in the highest bit
	kind    kind
	packet  int // its largest packet
}

type kind uint8

const (
	kindOther kind = iota
	kindBulk
	kindInterrupt
)

const in = 0x80 // in an endpoint's address: towards the host

// place is where in a device its PED is.
type place struct {
	config, iface, alternate int
	out, in, event           uint8 // addresses
}

// Sizes of the transfers that wait for what a PED sends. Each is a multiple of
// every packet size: a packet that does not fit is an error of its own.
const (
	readSize  = 16 << 10
	eventSize = 1 << 10
)

// find returns where the PED is in a device, if there is one.
func (d *descriptors) find() (place, bool) {
	for _, c := range d.configs {
		for i, f := range c.interfaces {
			if f.number != i {
				continue // gousb counts where it ought to look for the number
			}
			for _, s := range f.settings {
				p, ok := s.endpointsOfPED()
				if ok {
					p.config, p.iface, p.alternate = c.number, f.number, s.alternate
					return p, true
				}
			}
		}
	}
	return place{}, false
}

// endpointsOfPED returns the three endpoints of the PED's interface. More than
// three are not what this version knows.
func (s *setting) endpointsOfPED() (p place, ok bool) {
	if !s.isPED() || len(s.endpoints) != 3 {
		return p, false
	}
	for _, e := range s.endpoints {
		switch {
		case e.address&0x0f == 0 || e.address&0x70 != 0:
			return p, false
		case e.packet < 8 || e.packet > eventSize || eventSize%e.packet != 0:
			return p, false
		case e.kind == kindBulk && e.address&in == 0:
			p.out = e.address
		case e.kind == kindBulk:
			p.in = e.address
		case e.kind == kindInterrupt && e.address&in != 0:
			p.event = e.address
		}
	}
	return p, p.out != 0 && p.in != 0 && p.event != 0 && p.in != p.event
}

func (s *setting) isPED() bool {
	return s.class == usbped.USBClass && s.subclass == usbped.USBSubclass && s.protocol == usbped.USBProtocol
}

// wanted are the ids that a device must have; the zero value takes any.
type wanted struct {
	only            bool
	vendor, product uint16
}

func (w wanted) match(vendor, product uint16) bool {
	return !w.only || w.vendor == vendor && w.product == product
}
