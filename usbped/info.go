package usbped

import (
	"openped/internal/wire"
	"openped/protocol"
)

// Version of the framing, negotiated by INFO-REQUEST and INFO.
const version = 1

const (
	maxProduct   = 32
	maxInfo      = 1 + 1 + 2 + 4 + 1 + protocol.MaxSerialText + 1 + protocol.MaxFirmwareText + 1 + maxProduct
	flagSoftware = 0x01
	flagBusy     = 0x02
)

// infoRequest is the payload of INFO-REQUEST.
//
//	min         1   lowest version of the framing the host speaks, 1–max
//	max         1   highest
//	segment     2   longest segment that the host takes, 256–4096
type infoRequest struct {
	min, max uint8
	segment  uint16
}

func (p infoRequest) encode() []byte {
	return new(wire.Writer).U8(p.min).U8(p.max).U16(p.segment).Bytes()
}

func decodeInfoRequest(b []byte) (infoRequest, error) {
	r := wire.NewReader(b)
	p := infoRequest{r.U8(), r.U8(), r.U16()}
	if p.min == 0 || p.min > p.max || p.segment < minSegment || p.segment > MaxSegment {
		r.Fail()
	}
	return p, r.Done()
}

// choose returns the version to speak, 0 if there is none in common.
func (p infoRequest) choose() uint8 {
	if p.min > version || p.max < version {
		return 0
	}
	return version
}

// infoPayload is the payload of INFO.
//
//	version     1   chosen from what the host offered; 0 if there is none
//	flags       1   1 software, 2 busy: another host has the PED; others are 0
//	segment     2   longest segment both ways, 256 to what the host offered
//	window      4   credit of the host at first, 2 × (16 + segment) to 1 048 576
//	serial      1+n printable ASCII, ≤ 32 bytes
//	firmware    1+n printable ASCII, ≤ 16 bytes
//	product     1+n printable ASCII, ≤ 32 bytes
type infoPayload struct {
	version uint8
	busy    bool
	segment uint16
	window  uint32
	info    Info
}

func (p infoPayload) encode() []byte {
	var flags uint8
	if p.info.Software {
		flags |= flagSoftware
	}
	if p.busy {
		flags |= flagBusy
	}
	return new(wire.Writer).U8(p.version).U8(flags).U16(p.segment).U32(p.window).
		Var8(text(p.info.Serial, protocol.MaxSerialText)).
		Var8(text(p.info.Firmware, protocol.MaxFirmwareText)).Var8(text(p.info.Product, maxProduct)).Bytes()
}

func decodeInfo(b []byte) (infoPayload, error) {
	r := wire.NewReader(b)
	p := infoPayload{version: r.U8()}
	flags := r.U8()
	p.segment, p.window = r.U16(), r.U32()
	if flags&^(flagSoftware|flagBusy) != 0 || p.segment < minSegment || p.segment > MaxSegment ||
		p.window < leastWindow(p.segment) || p.window > maxWindow {
		r.Fail()
	}
	p.busy, p.info.Software = flags&flagBusy != 0, flags&flagSoftware != 0
	p.info.Serial, p.info.Firmware, p.info.Product = r.Text8(protocol.MaxSerialText), r.Text8(protocol.MaxFirmwareText), r.Text8(maxProduct)
	return p, r.Done()
}

// leastWindow is the least window for a length of segments: a PED that keeps
// half of it back leaves credit for one.
func leastWindow(segment uint16) uint32 { return 2 * cost(int(segment)) }

// text cuts what the other side would refuse.
func text(s string, max int) []byte {
	b := []byte(s)
	for i, c := range b {
		if c < 0x20 || c > 0x7e {
			b[i] = '?'
		}
	}
	return b[:min(len(b), max)]
}
