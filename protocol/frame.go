package protocol

import (
	"fmt"
	"io"

	"openped/internal/wire"
)

// Sizes of the link's frames, in bytes.
const (
	FrameHeaderSize = 8
	MaxFrameBody    = 131072 // the cap of the header's length field
	MaxPEDFrame     = 65700  // the largest PED frame: one record of the channel, with room
)

// FrameType says what a link frame's body is.
type FrameType uint8

// The frame types.
const (
	FrameHello    FrameType = 1
	FrameAcquire  FrameType = 2
	FrameAcquired FrameType = 3
	FrameBusy     FrameType = 4
	FramePED      FrameType = 5
	FrameEvent    FrameType = 6
	FramePing     FrameType = 7
	FramePong     FrameType = 8
	FrameRelease  FrameType = 9
	FrameError    FrameType = 10
	FrameProbe    FrameType = 11
	FrameProbed   FrameType = 12
)

// frameTypes holds each type's name and the largest body it can have, so that
// nobody makes us allocate more than what they announce can need.
var frameTypes = [...]struct {
	name string
	max  uint32
}{
	FrameHello:    {"HELLO", maxHello},
	FrameAcquire:  {"ACQUIRE", 1 + MaxSerialText},
	FrameAcquired: {"ACQUIRED", 1 + MaxSerialText + 1 + MaxFirmwareText + 1},
	FrameBusy:     {"BUSY", 4 + 1 + MaxHolderText},
	FramePED:      {"PED-FRAME", MaxPEDFrame},
	FrameEvent:    {"PED-EVENT", 4 + 8*MaxRPKs},
	FramePing:     {"PING", 4},
	FramePong:     {"PONG", 4},
	FrameRelease:  {"RELEASE", 0},
	FrameError:    {"ERROR", 2},
	FrameProbe:    {"PROBE", 0},
	FrameProbed:   {"PROBED", 1 + 1 + MaxSerialText + 1 + MaxFirmwareText + 1 + 1 + 4},
}

// Valid reports whether t is one of the types above.
func (t FrameType) Valid() bool { return int(t) < len(frameTypes) && frameTypes[t].name != "" }

// String returns "HELLO", "ACQUIRE" and so on.
func (t FrameType) String() string {
	if t.Valid() {
		return frameTypes[t].name
	}
	return fmt.Sprintf("frame type %d", uint8(t))
}

// Frame is one frame of the link.
//
//	type        1   1–12
//	flags       1   0
//	zero        2   0
//	length      4   of the body, ≤ the cap of its type, never over 131072
//	body        n
type Frame struct {
	Type FrameType
	Body []byte
}

// ReadFrame reads one frame. It allocates only after the length passed the cap
// of the frame's type. The error is io.EOF at the end between two frames,
// io.ErrUnexpectedEOF within one, wire.ErrMalformed for a bad header (after
// which the stream is of no use), or the reader's own.
func ReadFrame(r io.Reader) (Frame, error) {
	var h [FrameHeaderSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Frame{}, err
	}
	hr := wire.NewReader(h[:])
	t, flags, zero, n := FrameType(hr.U8()), hr.U8(), hr.U16(), hr.U32()
	if !t.Valid() || flags != 0 || zero != 0 || n > frameTypes[t].max {
		return Frame{}, wire.ErrMalformed
	}
	f := Frame{Type: t, Body: make([]byte, n)}
	if _, err := io.ReadFull(r, f.Body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	return f, nil
}

// WriteFrame writes one frame in one Write, so that concurrent writers only
// need a lock around it. A frame that ReadFrame would refuse is not written:
// the error is wire.ErrMalformed.
func WriteFrame(w io.Writer, f Frame) error {
	if !f.Type.Valid() || uint64(len(f.Body)) > uint64(frameTypes[f.Type].max) {
		return wire.ErrMalformed
	}
	b := wire.NewWriter(FrameHeaderSize + len(f.Body))
	b.U8(uint8(f.Type)).U8(0).U16(0).U32(uint32(len(f.Body))).Raw(f.Body)
	_, err := w.Write(b.Bytes())
	return err
}
