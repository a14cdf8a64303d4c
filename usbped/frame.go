package usbped

import (
	"fmt"
	"hash/crc32"
	"io"

	"openped/internal/wire"
	"openped/protocol"
)

// Sizes in bytes.
const (
	headerSize = 16
	// MaxPayload is the most that one frame carries.
	MaxPayload = protocol.MaxPEDFrame
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
)

// frameTypes holds each type's name and the size its payload may have.
var frameTypes = [...]struct {
	name     string
	min, max uint32
}{
	typeInfoRequest: {"INFO-REQUEST", 2, 2},
	typeInfo:        {"INFO", 5, maxInfo},
	typeFrame:       {"FRAME", 1, MaxPayload},
	typeEvent:       {"EVENT", 4, 4 + 8*protocol.MaxRPKs},
	typeCancel:      {"CANCEL", 0, 0},
	typeReset:       {"RESET", 0, 0},
	typePing:        {"PING", 4, 4},
	typePong:        {"PONG", 4, 4},
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

// rawFrame is one frame of the stream.
//
//	magic       2   "OP"
//	type        1   1–8
//	flags       1   0
//	seq         4   counts the frames of each direction from 0; RESET is always 0
//	length      4   of the payload, within the bounds of its type, ≤ 65700
//	crc         4   CRC-32C of the 12 bytes before it and the payload
//	payload     n
type rawFrame struct {
	typ     frameType
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
	if m != magic || flags != 0 || !t.fits(uint64(n)) {
		return rawFrame{}, ErrCorrupt
	}
	f := rawFrame{t, seq, make([]byte, n)}
	if _, err := io.ReadFull(r, f.payload); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return rawFrame{}, err
	}
	if checksum(h[:headerSize-4], f.payload) != crc {
		return rawFrame{}, ErrCorrupt
	}
	return f, nil
}

// appendFrame returns the bytes of a frame whose size was checked.
func appendFrame(f rawFrame) []byte {
	w := wire.NewWriter(headerSize + len(f.payload))
	w.U16(magic).U8(uint8(f.typ)).U8(0).U32(f.seq).U32(uint32(len(f.payload)))
	return w.U32(checksum(w.Bytes(), f.payload)).Raw(f.payload).Bytes()
}

func checksum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, payload)
}

// Version of the framing, negotiated by INFO-REQUEST and INFO.
const version = 1

const (
	maxProduct   = 32
	maxInfo      = 1 + 1 + 1 + protocol.MaxSerialText + 1 + protocol.MaxFirmwareText + 1 + maxProduct
	flagSoftware = 0x01
	flagBusy     = 0x02
)

// infoPayload is the payload of INFO.
//
//	version     1   chosen from what the host offered; 0 if there is none
//	flags       1   1 software, 2 busy: another host has the PED; others are 0
//	serial      1+n printable ASCII, ≤ 32 bytes
//	firmware    1+n printable ASCII, ≤ 16 bytes
//	product     1+n printable ASCII, ≤ 32 bytes
type infoPayload struct {
	version uint8
	busy    bool
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
	return new(wire.Writer).U8(p.version).U8(flags).Var8(text(p.info.Serial, protocol.MaxSerialText)).
		Var8(text(p.info.Firmware, protocol.MaxFirmwareText)).Var8(text(p.info.Product, maxProduct)).Bytes()
}

func decodeInfo(b []byte) (infoPayload, error) {
	r := wire.NewReader(b)
	p := infoPayload{version: r.U8()}
	flags := r.U8()
	if flags&^(flagSoftware|flagBusy) != 0 {
		r.Fail()
	}
	p.busy, p.info.Software = flags&flagBusy != 0, flags&flagSoftware != 0
	p.info.Serial, p.info.Firmware, p.info.Product = r.Text8(protocol.MaxSerialText), r.Text8(protocol.MaxFirmwareText), r.Text8(maxProduct)
	return p, r.Done()
}

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

// chooseVersion answers the payload of INFO-REQUEST.
//
//	min         1   lowest version of the framing the host speaks, 1–max
//	max         1   highest
func chooseVersion(b []byte) (uint8, error) {
	r := wire.NewReader(b)
	lo, hi := r.U8(), r.U8()
	if err := r.Done(); err != nil || lo == 0 || lo > hi {
		return 0, ErrCorrupt
	}
	if lo > version || hi < version {
		return 0, nil
	}
	return version, nil
}
