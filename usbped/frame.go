package usbped

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"openped/internal/wire"
	"openped/protocol"
)

// Sizes in bytes.
const (
	headerSize = 16
	// MaxPayload is the longest frame of the channel.
	MaxPayload = protocol.MaxPEDFrame
	// MaxSegment is the most of it that travels in one piece.
	MaxSegment = 4096
	// minSegment is the least that may be agreed on: every other frame fits in.
	minSegment = 256
	// maxWindow is the most credit that a PED may give.
	maxWindow = 1 << 20
	// padEvery divides the packet sizes of all speeds of USB. No frame is a
	// multiple of it, so that each ends its transfer with a short packet.
	padEvery = 64
)

const magic = 'O'<<8 | 'P'

type frameType uint8

const (
	typeInfoRequest frameType = 1
	typeInfo        frameType = 2
	typeFrame       frameType = 3
	typeEvent       frameType = 4
	typeCancel      frameType = 5
	typeReset       frameType = 6
	typePing        frameType = 7
	typePong        frameType = 8
	typeCredit      frameType = 9
	typeCanceled    frameType = 10
)

// frameTypes holds each type's name and the size its payload may have.
var frameTypes = [...]struct {
	name     string
	min, max uint32
}{
	typeInfoRequest: {"INFO-REQUEST", 4, 4},
	typeInfo:        {"INFO", 11, maxInfo},
	typeFrame:       {"FRAME", 1, MaxSegment},
	typeEvent:       {"EVENT", 4, 4 + 8*protocol.MaxRPKs},
	typeCancel:      {"CANCEL", 4, 4},
	typeReset:       {"RESET", 8, 8},
	typePing:        {"PING", 4, 4},
	typePong:        {"PONG", 8, 8},
	typeCredit:      {"CREDIT", 4, 4},
	typeCanceled:    {"CANCELED", 8, 8},
}

func (t frameType) String() string {
	if t.valid() {
		return frameTypes[t].name
	}
	return fmt.Sprintf("frame type %d", uint8(t))
}

func (t frameType) valid() bool { return int(t) < len(frameTypes) && frameTypes[t].name != "" }

func (t frameType) fits(n uint64) bool {
	return t.valid() && n >= uint64(frameTypes[t].min) && n <= uint64(frameTypes[t].max)
}

// flagMore says that a FRAME is not the last segment of its frame of the channel.
const flagMore = 0x01

// rawFrame is one frame of a lane.
//
//	magic       2   "OP"
//	type        1   1–10
//	flags       1   1 more, of FRAME only; others are 0
//	seq         4   counts the frames of each lane; RESET is always 0
//	length      4   of the payload, within the bounds of its type, ≤ 4096
//	crc         4   CRC-32C of the 12 bytes before it and the payload
//	payload     n
//	pad         0 or 1   a zero if the size would be a multiple of 64 without it
type rawFrame struct {
	typ     frameType
	more    bool
	seq     uint32
	payload []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readFrame reads one frame. It allocates only after the length passed. The
// error is io.EOF between frames, ErrCorrupt, or the reader's own.
func readFrame(r io.Reader) (rawFrame, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return rawFrame{}, err
	}
	hr := wire.NewReader(h[:])
	m, t, flags, seq, n, crc := hr.U16(), frameType(hr.U8()), hr.U8(), hr.U32(), hr.U32(), hr.U32()
	if m != magic || !t.fits(uint64(n)) || flags != 0 && (flags != flagMore || t != typeFrame) {
		return rawFrame{}, ErrCorrupt
	}
	b := make([]byte, int(n)+pad(int(n)))
	if _, err := io.ReadFull(r, b); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return rawFrame{}, err
	}
	f := rawFrame{t, flags == flagMore, seq, b[:n:n]}
	if checksum(h[:headerSize-4], f.payload) != crc || int(n) < len(b) && b[n] != 0 {
		return rawFrame{}, ErrCorrupt
	}
	return f, nil
}

// pad is the size of the pad behind a payload of n bytes.
func pad(n int) int {
	if (headerSize+n)%padEvery == 0 {
		return 1
	}
	return 0
}

// appendFrame appends to b the bytes of a frame whose size was checked.
func appendFrame(b []byte, f rawFrame) []byte {
	start, flags := len(b), uint8(0)
	if f.more {
		flags = flagMore
	}
	b = append(b, magic>>8, magic&0xff, uint8(f.typ), flags)
	b = binary.BigEndian.AppendUint32(b, f.seq)
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.payload)))
	b = binary.BigEndian.AppendUint32(b, checksum(b[start:], f.payload))
	b = append(b, f.payload...)
	return append(b, zeros[:pad(len(f.payload))]...)
}

func checksum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, payload)
}

// cost is the credit that a segment of n bytes takes: what it adds to the lane.
func cost(n int) uint32 { return uint32(headerSize + n) }

// resetToken tells one opening from another. The zero token is the gadget's, who
// has lost the thread.
type resetToken [8]byte

// events is the number of the first EVENT after this opening.
func (t resetToken) events() uint32 { return binary.BigEndian.Uint32(t[:4]) }

// cancels is the token of the first CANCEL after this opening.
func (t resetToken) cancels() uint32 { return binary.BigEndian.Uint32(t[4:]) }

// frame is RESET with this token.
func (t resetToken) frame() rawFrame { return rawFrame{typ: typeReset, payload: t[:]} }

// resetSize is the size of RESET.
const resetSize = headerSize + len(resetToken{})

// flush is what a host sends before RESET: a gadget that still waits for the
// rest of a frame of an earlier host gets over it. No frame is longer.
const flush = headerSize + MaxSegment

var zeros [flush]byte
