package usbip

import (
	"errors"
	"io"

	"openped/internal/wire"
	"openped/softped/back/usbdev"
	"openped/usbped"
)

// Who we are on the bus that is not there. The kernel asks for the device by
// bus and number in one.
const (
	busID     = "1-1"
	busNumber = 1
	devNumber = 2
	devID     = busNumber<<16 | devNumber
)

// ErrProtocol means that the other side does not speak USB/IP, or not by its
// rules.
var ErrProtocol = errors.New("not by the rules of USB/IP")

// Operations before a device is imported.
const (
	opVersion  = 0x0111
	opDevlist  = 0x8005
	opImport   = 0x8003
	replyMask  = 0x7fff // a reply has the number of its request without the top bit
	opHeadSize = 8

	statusDone = 0
	statusBusy = 2
	statusNone = 4

	busIDSize  = 32
	pathSize   = 256
	devicePath = "/sys/devices/softped/usb1/1-1"
)

// readOp reads the head of an operation.
//
//	version   2   0x0111
//	code      2   0x8005 list, 0x8003 import
//	status    4   0
func readOp(r io.Reader) (code uint16, err error) {
	var b [opHeadSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, err
	}
	w := wire.NewReader(b[:])
	version, code := w.U16(), w.U16()
	if version != opVersion {
		return 0, ErrProtocol
	}
	return code, nil
}

func opReply(code uint16, status uint32) *wire.Writer {
	return new(wire.Writer).U16(opVersion).U16(code & replyMask).U32(status)
}

// appendDevice appends the record of a device.
//
//	path           256  text, zeros behind
//	busid          32   text, zeros behind
//	busnum         4
//	devnum         4
//	speed          4    2 full, 3 high
//	vendor         2
//	product        2
//	release        2
//	class          3    class, subclass, protocol of the device
//	configuration  1    the present one
//	configurations 1    how many there are
//	interfaces     1    how many the present one has
func appendDevice(w *wire.Writer, id usbdev.Identity, s usbdev.Speed) {
	w.Raw(padded(devicePath, pathSize)).Raw(padded(busID, busIDSize)).U32(busNumber).U32(devNumber).U32(uint32(s))
	w.U16(id.Vendor).U16(id.Product).U16(id.Release).U8(0).U8(0).U8(0).U8(1).U8(1).U8(1)
}

// devlist answers a request for the list; a PED that is in use is not listed.
func devlist(id usbdev.Identity, s usbdev.Speed, free bool) []byte {
	w := opReply(opDevlist, statusDone)
	if !free {
		return w.U32(0).Bytes()
	}
	appendDevice(w.U32(1), id, s)
	return w.U8(usbped.USBClass).U8(usbped.USBSubclass).U8(usbped.USBProtocol).U8(0).Bytes()
}

func imported(id usbdev.Identity, s usbdev.Speed) []byte {
	w := opReply(opImport, statusDone)
	appendDevice(w, id, s)
	return w.Bytes()
}

func padded(s string, n int) []byte {
	b := make([]byte, n)
	copy(b, s)
	return b
}

// Commands for an imported device.
const (
	cmdSubmit = 1
	cmdUnlink = 2
	retSubmit = 3
	retUnlink = 4

	headSize = 48
)

// command is one command of the host.
//
//	command    4    1 submit, 2 unlink
//	seq        4    names the command
//	devid      4
//	direction  4    0 OUT, 1 IN
//	endpoint   4    number without direction
//	           28   by the command
//
// submit:
//
//	flags      4    not looked at
//	length     4    of the data behind (OUT), or that there is room for (IN)
//	start      4    isochronous only
//	packets    4    isochronous only; else 0 or 0xffffffff
//	interval   4    not looked at
//	setup      8    of a control transfer
//
// unlink:
//
//	victim     4    seq of the submit that is taken back
//	           24   zeros
type command struct {
	unlink   bool
	seq      uint32
	in       bool
	endpoint uint8
	length   uint32
	setup    [8]byte
	victim   uint32
}

func parseCommand(b [headSize]byte) (command, error) {
	r := wire.NewReader(b[:])
	kind, c := r.U32(), command{seq: r.U32()}
	device, direction, endpoint := r.U32(), r.U32(), r.U32()
	if device != devID || direction > 1 || endpoint > 15 {
		return command{}, ErrProtocol
	}
	c.in, c.endpoint = direction == 1, uint8(endpoint)
	if c.in {
		c.endpoint |= 0x80
	}
	switch kind {
	case cmdSubmit:
		r.U32()
		c.length = r.U32()
		r.U32()
		packets := r.U32()
		r.U32()
		r.Copy(c.setup[:])
		if packets != 0 && packets != 0xffffffff {
			return command{}, ErrProtocol
		}
	case cmdUnlink:
		c.unlink, c.victim = true, r.U32()
	default:
		return command{}, ErrProtocol
	}
	return c, nil
}

// submitted is the answer to submit: status, length of the data that was moved,
// and the data of an IN transfer.
func submitted(seq uint32, s usbdev.Status, moved int, data []byte) []byte {
	w := wire.NewWriter(headSize + len(data))
	w.U32(retSubmit).U32(seq).U32(0).U32(0).U32(0)
	return w.U32(uint32(s)).U32(uint32(moved)).Raw(make([]byte, 20)).Raw(data).Bytes()
}

// unlinked is the answer to unlink: StatusReset if the transfer was taken back,
// StatusOK if it had been answered.
func unlinked(seq uint32, s usbdev.Status) []byte {
	w := wire.NewWriter(headSize)
	w.U32(retUnlink).U32(seq).U32(0).U32(0).U32(0)
	return w.U32(uint32(s)).Raw(make([]byte, 24)).Bytes()
}
