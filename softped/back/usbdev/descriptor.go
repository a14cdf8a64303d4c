package usbdev

import (
	"encoding/binary"
	"unicode/utf16"

	"openped/usbped"
)

// Speed is how fast the bus is, as the Linux kernel numbers it.
type Speed uint8

// The speeds.
const (
	Full Speed = 2 // 12 Mbit/s
	High Speed = 3 // 480 Mbit/s
)

// Endpoint addresses. A controller of a board may choose other numbers: hosts
// find endpoints by type and direction.
const (
	OutAddress   = 0x01 // bulk OUT: frames to the PED
	InAddress    = 0x82 // bulk IN: frames from the PED
	EventAddress = 0x83 // interrupt IN: events
)

// Packet sizes.
const (
	controlPacket = 64
	// EventPacket is the packet size of the interrupt endpoint at every speed.
	EventPacket = 64
)

// BulkPacket returns the packet size of the bulk endpoints.
func (s Speed) BulkPacket() int {
	if s == High {
		return 512
	}
	return 64
}

// Descriptor types.
const (
	typeDevice     = 1
	typeConfig     = 2
	typeString     = 3
	typeInterface  = 4
	typeEndpoint   = 5
	typeQualifier  = 6
	typeOtherSpeed = 7
	typeBOS        = 15
	typeCapability = 16
)

// String descriptors by index.
const (
	stringManufacturer = 1
	stringProduct      = 2
	stringSerial       = 3
	english            = 0x0409
)

const (
	usbVersion   = 0x0201 // 2.1: there is a BOS
	attributes   = 0x80   // powered by the bus, no remote wakeup
	maxPower     = 250    // in 2 mA
	bulk         = 2
	interrupt    = 3
	eventEveryMs = 4
)

// Device returns the device descriptor.
func (i Identity) Device() []byte {
	b := []byte{18, typeDevice}
	b = le16(b, usbVersion)
	b = append(b, 0, 0, 0, controlPacket) // class: see the interface
	b = le16(b, i.Vendor, i.Product, i.Release)
	return append(b, stringManufacturer, stringProduct, stringSerial, 1)
}

// Qualifier returns what the device would be at the other speed.
func (i Identity) Qualifier() []byte {
	b := le16([]byte{10, typeQualifier}, usbVersion)
	return append(b, 0, 0, 0, controlPacket, 1, 0)
}

// Configuration returns the one configuration with its interface and endpoints.
func (i Identity) Configuration(s Speed) []byte { return configuration(typeConfig, s) }

// OtherSpeed returns the configuration as it would be at the other speed.
func (i Identity) OtherSpeed(s Speed) []byte {
	if s == High {
		return configuration(typeOtherSpeed, Full)
	}
	return configuration(typeOtherSpeed, High)
}

func configuration(kind byte, s Speed) []byte {
	f := Function(s)
	b := le16([]byte{9, kind}, uint16(9+len(f)))
	b = append(b, 1, 1, 0, attributes, maxPower)
	return append(b, f...)
}

// Function returns the descriptors of the interface and its endpoints.
func Function(s Speed) []byte {
	b := []byte{9, typeInterface, 0, 0, 3, usbped.USBClass, usbped.USBSubclass, usbped.USBProtocol, 0}
	b = endpointDescriptor(b, OutAddress, bulk, s.BulkPacket(), 0)
	b = endpointDescriptor(b, InAddress, bulk, s.BulkPacket(), 0)
	interval := byte(eventEveryMs) // milliseconds
	if s == High {
		interval = 6 // 2^5 of 125 µs
	}
	return endpointDescriptor(b, EventAddress, interrupt, EventPacket, interval)
}

func endpointDescriptor(b []byte, address, kind byte, packet int, interval byte) []byte {
	b = le16(append(b, 7, typeEndpoint, address, kind), uint16(packet))
	return append(b, interval)
}

// String returns the string descriptor of an index, or false.
func (i Identity) String(index uint8) ([]byte, bool) {
	switch index {
	case 0:
		return le16([]byte{4, typeString}, english), true
	case stringManufacturer:
		return stringDescriptor(manufacturer), true
	case stringProduct:
		return stringDescriptor(i.Name), true
	case stringSerial:
		return stringDescriptor(i.Serial), true
	}
	return nil, false
}

// stringDescriptor cuts what does not fit in one: 126 characters.
func stringDescriptor(s string) []byte {
	units := utf16.Encode([]rune(s))
	units = units[:min(len(units), 126)]
	return le16([]byte{byte(2 + 2*len(units)), typeString}, units...)
}

func le16(b []byte, values ...uint16) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}
