package usbdev

import "encoding/binary"

// Setup is the head of a control transfer.
type Setup struct {
	Type    uint8 // bmRequestType
	Request uint8
	Value   uint16
	Index   uint16
	Length  uint16
}

// ParseSetup reads the eight bytes of a setup packet.
func ParseSetup(b [8]byte) Setup {
	return Setup{b[0], b[1], binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])}
}

// In tells whether the device sends the data.
func (s Setup) In() bool { return s.Type&0x80 != 0 }

// Request types and requests of USB 2.0, chapter 9.
const (
	toDevice      = 0x00
	toInterface   = 0x01
	toEndpoint    = 0x02
	fromDevice    = 0x80
	fromInterface = 0x81
	fromEndpoint  = 0x82
	vendorRequest = 0xc0

	getStatus        = 0
	clearFeature     = 1
	setFeature       = 3
	setAddress       = 5
	getDescriptor    = 6
	getConfiguration = 8
	setConfiguration = 9
	getInterface     = 10
	setInterface     = 11

	endpointHalt = 0
)

// effect is what a control request does beside its answer.
type effect uint8

const (
	nothing effect = iota
	configured
	unconfigured
	resetInterface // SET_INTERFACE: all endpoints start anew
	cleared        // a halt is over
	halted
)

// control is the device's state as control requests see it.
type control struct {
	id         Identity
	speed      Speed
	configured bool
	halted     map[uint8]bool // endpoints by address; only these three are there
}

func newControl(id Identity, s Speed) *control {
	return &control{id: id, speed: s, halted: map[uint8]bool{OutAddress: false, InAddress: false, EventAddress: false}}
}

func (c *control) has(endpoint uint8) bool {
	_, ok := c.halted[endpoint]
	return ok
}

// answer is what became of a request. Not ok is a STALL.
type answer struct {
	data     []byte
	effect   effect
	endpoint uint8 // of cleared and halted
	ok       bool
}

func data(b ...byte) answer { return answer{data: b, ok: true} }

var stall = answer{}

// request answers a control request and changes the state with it. No request
// of ours takes data from the host.
func (c *control) request(s Setup) answer {
	a := c.handle(s)
	if !a.ok {
		return stall
	}
	if s.In() {
		a.data = a.data[:min(len(a.data), int(s.Length))]
	}
	return a
}

func (c *control) handle(s Setup) answer {
	switch s.Type {
	case fromDevice:
		return c.ofDevice(s)
	case toDevice:
		return c.changeDevice(s)
	case fromInterface, toInterface:
		return c.ofInterface(s)
	case fromEndpoint, toEndpoint:
		return c.ofEndpoint(s)
	case vendorRequest:
		if s.Request == VendorCode && s.Index == descriptorIndex && s.Value == 0 {
			return data(MicrosoftSet()...)
		}
	}
	return stall
}

func (c *control) ofDevice(s Setup) answer {
	switch s.Request {
	case getStatus:
		return data(0, 0) // on the bus's power, no remote wakeup
	case getConfiguration:
		if c.configured {
			return data(1)
		}
		return data(0)
	case getDescriptor:
		return c.descriptor(uint8(s.Value>>8), uint8(s.Value), s.Index)
	}
	return stall
}

func (c *control) descriptor(kind, index uint8, language uint16) answer {
	if kind == typeString {
		b, ok := c.id.String(index)
		if !ok || language != english && language != 0 {
			return stall
		}
		return data(b...)
	}
	if index != 0 {
		return stall
	}
	switch kind {
	case typeDevice:
		return data(c.id.Device()...)
	case typeConfig:
		return data(c.id.Configuration(c.speed)...)
	case typeQualifier:
		return data(c.id.Qualifier()...)
	case typeOtherSpeed:
		return data(c.id.OtherSpeed(c.speed)...)
	case typeBOS:
		return data(BOS()...)
	}
	return stall
}

func (c *control) changeDevice(s Setup) answer {
	switch s.Request {
	case setAddress: // the back's matter
		return data()
	case setConfiguration:
		if s.Value > 1 {
			return stall
		}
		c.configured = s.Value == 1
		for e := range c.halted {
			c.halted[e] = false
		}
		if c.configured {
			return answer{effect: configured, ok: true}
		}
		return answer{effect: unconfigured, ok: true}
	}
	return stall
}

// ofInterface knows one interface with one setting.
func (c *control) ofInterface(s Setup) answer {
	if !c.configured || s.Index != 0 {
		return stall
	}
	switch {
	case s.Type == fromInterface && s.Request == getStatus:
		return data(0, 0)
	case s.Type == fromInterface && s.Request == getInterface:
		return data(0)
	case s.Type == toInterface && s.Request == setInterface && s.Value == 0:
		for e := range c.halted {
			c.halted[e] = false
		}
		return answer{effect: resetInterface, ok: true}
	}
	return stall
}

// ofEndpoint asks for a halt, makes one, or ends one. Endpoint 0 never halts.
func (c *control) ofEndpoint(s Setup) answer {
	if s.Index > 0xff {
		return stall
	}
	e := uint8(s.Index)
	if e&0x7f == 0 {
		switch {
		case s.Type == fromEndpoint && s.Request == getStatus:
			return data(0, 0)
		case s.Type == toEndpoint && s.Request == clearFeature && s.Value == endpointHalt:
			return data()
		}
		return stall
	}
	halt, known := c.halted[e]
	if !known || !c.configured {
		return stall
	}
	switch {
	case s.Type == fromEndpoint && s.Request == getStatus:
		if halt {
			return data(1, 0)
		}
		return data(0, 0)
	case s.Type == toEndpoint && s.Request == clearFeature && s.Value == endpointHalt:
		c.halted[e] = false
		return answer{effect: cleared, endpoint: e, ok: true}
	case s.Type == toEndpoint && s.Request == setFeature && s.Value == endpointHalt:
		c.halted[e] = true
		return answer{effect: halted, endpoint: e, ok: true}
	}
	return stall
}
