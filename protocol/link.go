package protocol

import (
	"io"

	"openped/internal/wire"
)

// Body is the body of one link frame: a value of one of this package's structs
// (Hello, Acquire, Acquired, Busy, PEDFrame, PEDEvent, Ping, Pong, Release, Error,
// Probe, Probed).
type Body interface {
	FrameType() FrameType
	Encode() []byte
}

// ToFrame encodes a body.
func ToFrame(b Body) Frame { return Frame{Type: b.FrameType(), Body: b.Encode()} }

// WriteBody encodes a body and writes its frame.
func WriteBody(w io.Writer, b Body) error { return WriteFrame(w, ToFrame(b)) }

// Decode returns the frame's body as a value: switch on its type. The error is
// wire.ErrMalformed or, for a Hello, ErrCritical.
func (f Frame) Decode() (Body, error) {
	switch f.Type {
	case FrameHello:
		return decodeBody[Hello](f.Body)
	case FrameAcquire:
		return decodeBody[Acquire](f.Body)
	case FrameAcquired:
		return decodeBody[Acquired](f.Body)
	case FrameBusy:
		return decodeBody[Busy](f.Body)
	case FramePED:
		return decodeBody[PEDFrame](f.Body)
	case FrameEvent:
		return decodeBody[PEDEvent](f.Body)
	case FramePing:
		return decodeBody[Ping](f.Body)
	case FramePong:
		return decodeBody[Pong](f.Body)
	case FrameRelease:
		return decodeBody[Release](f.Body)
	case FrameError:
		return decodeBody[Error](f.Body)
	case FrameProbe:
		return decodeBody[Probe](f.Body)
	case FrameProbed:
		return decodeBody[Probed](f.Body)
	}
	return nil, wire.ErrMalformed
}

func decodeBody[T Body, P interface {
	*T
	Decode([]byte) error
}](b []byte) (Body, error) {
	var v T
	if err := P(&v).Decode(b); err != nil {
		return nil, err
	}
	return v, nil
}

// Acquire asks for the PED, for one HSM. Acquired, Busy or Error answers.
//
//	serial      1+n of the HSM, as it claims it, printable ASCII, ≤ 32 bytes
type Acquire struct{ HSMSerial string }

// FrameType returns FrameAcquire.
func (Acquire) FrameType() FrameType { return FrameAcquire }

// Encode returns the body's bytes. It panics on a serial over 255 bytes.
func (a Acquire) Encode() []byte { return new(wire.Writer).Var8([]byte(a.HSMSerial)).Bytes() }

// Decode reads the body; the error is wire.ErrMalformed.
func (a *Acquire) Decode(b []byte) error {
	r := wire.NewReader(b)
	*a = Acquire{HSMSerial: r.Text8(MaxSerialText)}
	return r.Done()
}

// Acquired says that the caller has the PED until Release or the end of the
// connection. Nothing in it is authenticated.
//
//	serial      1+n of the PED, printable ASCII, ≤ 32 bytes
//	firmware    1+n printable ASCII, ≤ 16 bytes
//	software    1   0 or 1: a PED in software
type Acquired struct {
	Serial   string
	Firmware string
	Software bool
}

// FrameType returns FrameAcquired.
func (Acquired) FrameType() FrameType { return FrameAcquired }

// Encode returns the body's bytes. It panics on a text over 255 bytes.
func (a Acquired) Encode() []byte {
	return new(wire.Writer).Var8([]byte(a.Serial)).Var8([]byte(a.Firmware)).Bool(a.Software).Bytes()
}

// Decode reads the body; the error is wire.ErrMalformed.
func (a *Acquired) Decode(b []byte) error {
	r := wire.NewReader(b)
	*a = Acquired{Serial: r.Text8(MaxSerialText), Firmware: r.Text8(MaxFirmwareText), Software: r.Bool()}
	return r.Done()
}

// Busy says that another HSM has the PED.
//
//	since       4   seconds it has been taken
//	holder      1+n the holder's registered name, printable ASCII, ≤ 64 bytes;
//	                empty for a caller that TLS has not made known
type Busy struct {
	Since  uint32
	Holder string
}

// MaxHolderText is the cap of a holder's name, in bytes.
const MaxHolderText = 64

// FrameType returns FrameBusy.
func (Busy) FrameType() FrameType { return FrameBusy }

// Encode returns the body's bytes. It panics on a name over 255 bytes.
func (v Busy) Encode() []byte {
	return new(wire.Writer).U32(v.Since).Var8([]byte(v.Holder)).Bytes()
}

// Decode reads the body; the error is wire.ErrMalformed.
func (v *Busy) Decode(b []byte) error {
	r := wire.NewReader(b)
	*v = Busy{Since: r.U32(), Holder: r.Text8(MaxHolderText)}
	return r.Done()
}

// PEDFrame carries one frame of the channel, which no part of the link can read.
//
//	bytes       n   1–65700
type PEDFrame struct{ Bytes []byte }

// FrameType returns FramePED.
func (PEDFrame) FrameType() FrameType { return FramePED }

// Encode returns the frame's bytes themselves.
func (f PEDFrame) Encode() []byte { return f.Bytes }

// Decode takes over b; the error is wire.ErrMalformed.
func (f *PEDFrame) Decode(b []byte) error {
	if len(b) == 0 || len(b) > MaxPEDFrame {
		return wire.ErrMalformed
	}
	f.Bytes = b
	return nil
}

// Ping asks for a Pong with the same token.
//
//	token       4
type Ping struct{ Token uint32 }

// FrameType returns FramePing.
func (Ping) FrameType() FrameType { return FramePing }

// Encode returns the body's bytes.
func (v Ping) Encode() []byte { return encodeU32(v.Token) }

// Decode reads the body; the error is wire.ErrMalformed.
func (v *Ping) Decode(b []byte) error { return decodeU32(b, &v.Token) }

// Pong answers Ping.
//
//	token       4
type Pong struct{ Token uint32 }

// FrameType returns FramePong.
func (Pong) FrameType() FrameType { return FramePong }

// Encode returns the body's bytes.
func (v Pong) Encode() []byte { return encodeU32(v.Token) }

// Decode reads the body; the error is wire.ErrMalformed.
func (v *Pong) Decode(b []byte) error { return decodeU32(b, &v.Token) }

// Release gives the PED back; the body is empty.
type Release struct{}

// FrameType returns FrameRelease.
func (Release) FrameType() FrameType { return FrameRelease }

// Encode returns nothing.
func (Release) Encode() []byte { return nil }

// Decode refuses anything but an empty body with wire.ErrMalformed.
func (*Release) Decode(b []byte) error { return wire.NewReader(b).Done() }

func encodeU32(v uint32) []byte { return new(wire.Writer).U32(v).Bytes() }

func decodeU32(b []byte, v *uint32) error {
	r := wire.NewReader(b)
	*v = r.U32()
	return r.Done()
}
