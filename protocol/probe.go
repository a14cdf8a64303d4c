package protocol

import "openped/internal/wire"

// Probe asks what a PEDserver has, instead of asking for the PED. It takes
// nothing and disturbs nobody. The body is empty. Probed or Error answers, and
// the connection is over.
type Probe struct{}

// FrameType returns FrameProbe.
func (Probe) FrameType() FrameType { return FrameProbe }

// Encode returns nothing.
func (Probe) Encode() []byte { return nil }

// Decode refuses anything but an empty body with wire.ErrMalformed.
func (*Probe) Decode(b []byte) error { return wire.NewReader(b).Done() }

// Probed is the state of the PED. Nothing in it is authenticated. Without a PED
// all but the first field are empty or 0.
//
//	connected   1   0 or 1
//	serial      1+n of the PED, printable ASCII, ≤ 32 bytes
//	firmware    1+n printable ASCII, ≤ 16 bytes
//	software    1   0 or 1: a PED in software
//	mode        1   PEDMode; 0 not known
//	busy        4   seconds it has been taken, at least 1; 0 if it is free
type Probed struct {
	Connected bool
	Serial    string
	Firmware  string
	Software  bool
	Mode      PEDMode // 0: not known
	Busy      uint32
}

// FrameType returns FrameProbed.
func (Probed) FrameType() FrameType { return FrameProbed }

// Encode returns the body's bytes. It panics on a text over 255 bytes.
func (p Probed) Encode() []byte {
	return new(wire.Writer).Bool(p.Connected).Var8([]byte(p.Serial)).Var8([]byte(p.Firmware)).Bool(p.Software).
		U8(uint8(p.Mode)).U32(p.Busy).Bytes()
}

// Decode reads the body; the error is wire.ErrMalformed.
func (p *Probed) Decode(b []byte) error {
	r := wire.NewReader(b)
	*p = Probed{Connected: r.Bool(), Serial: r.Text8(MaxSerialText), Firmware: r.Text8(MaxFirmwareText), Software: r.Bool(),
		Mode: PEDMode(r.U8()), Busy: r.U32()}
	need(r, p.Mode == 0 || p.Mode.Valid())
	need(r, p.Connected || *p == Probed{})
	return r.Done()
}
