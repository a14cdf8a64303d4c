package functionfs

import (
	"encoding/binary"

	"openped/softped/back/usbdev"
)

// Values of functionfs.h.
const (
	descriptorsMagic = 3
	stringsMagic     = 2
	hasFullSpeed     = 1
	hasHighSpeed     = 2
	hasMicrosoft     = 8

	perSpeed = 4 // one interface, three endpoints

	compatibleIndex = 4
	propertyIndex   = 5
	multiSZ         = 7
)

// descriptors is what ep0 takes first.
//
//	magic   4   3
//	length  4   of it all
//	flags   4   what follows
//	counts  4   descriptors of full speed, of high speed, and of Microsoft's
//	…           the descriptors
func descriptors() []byte {
	full, high := usbdev.Function(usbdev.Full), usbdev.Function(usbdev.High)
	compatible, property := microsoft()
	var b []byte
	b = le32(b, perSpeed, perSpeed, 2)
	for _, part := range [][]byte{full, high, compatible, property} {
		b = append(b, part...)
	}
	head := le32(nil, descriptorsMagic, uint32(12+len(b)), hasFullSpeed|hasHighSpeed|hasMicrosoft)
	return append(head, b...)
}

// microsoft returns the compatible id and the interface GUID as the kernel wants
// them: in bytes; it makes UTF-16 of the texts. It offers both to Windows as
// Microsoft OS 1.0 descriptors.
//
//	interface  1   0
//	length     4   of it all
//	version    2   1: what all kernels take; newer ones would rather have 0x0100
//	index      2   4 compatible id, 5 properties
//	count      2
func microsoft() (compatible, property []byte) {
	head := func(index uint16, body []byte) []byte {
		b := le32([]byte{0}, uint32(11+len(body)))
		return append(le16(b, 1, index, 1), body...)
	}
	id := make([]byte, 24) // interface, 1, compatible id, sub-compatible id, 6 reserved
	id[1] = 1
	copy(id[2:10], usbdev.CompatibleID)
	name, data := usbdev.GUIDProperty+"\x00", usbdev.InterfaceGUID+"\x00\x00"
	p := le32(nil, uint32(14+len(name)+len(data)), multiSZ)
	p = append(le16(p, uint16(len(name))), name...)
	p = append(le32(p, uint32(len(data))), data...)
	return head(compatibleIndex, id), head(propertyIndex, p)
}

// noStrings is what ep0 takes next: the strings of the device are configfs's.
func noStrings() []byte { return le32(nil, stringsMagic, 16, 0, 0) }

func le16(b []byte, values ...uint16) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

func le32(b []byte, values ...uint32) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// Events that ep0 gives.
const (
	eventBind    = 0
	eventUnbind  = 1
	eventEnable  = 2
	eventDisable = 3
	eventSetup   = 4
	eventSuspend = 5
	eventResume  = 6

	eventSize = 12
)

// event is one event: the setup packet, if it is one, then its type.
type event struct {
	setup usbdev.Setup
	kind  uint8
}

func parseEvents(b []byte) []event {
	var es []event
	for ; len(b) >= eventSize; b = b[eventSize:] {
		es = append(es, event{usbdev.ParseSetup([8]byte(b[:8])), b[8]})
	}
	return es
}
