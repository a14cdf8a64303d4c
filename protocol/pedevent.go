package protocol

import "openped/internal/wire"

// PEDEvent is what a PED tells its host, outside the channel and so in clear:
// public facts only. It travels from the PED to PEDserver, and on to PEDclient.
//
//	kind        1   1 state, 2 proven, 3 closed
//	mode        1   1 remote, 2 local, 3 pair, 4 admin
//	busy        1   0 or 1: a dialogue is running
//	count       1   cached orange keys, ≤ 16
//	rpk       8·count  their serials
type PEDEvent struct {
	Kind EventKind
	Mode PEDMode
	Busy bool
	RPKs []KeySerial
}

// RPKCount returns how many orange keys the PED has cached.
func (e PEDEvent) RPKCount() int { return len(e.RPKs) }

// FrameType returns FrameEvent.
func (PEDEvent) FrameType() FrameType { return FrameEvent }

// Encode returns the event's bytes. Serials after the 16th are left out.
func (e PEDEvent) Encode() []byte {
	w := wire.NewWriter(4 + 8*len(e.RPKs))
	w.U8(uint8(e.Kind)).U8(uint8(e.Mode)).Bool(e.Busy)
	writeRPKs(w, e.RPKs[:min(len(e.RPKs), MaxRPKs)])
	return w.Bytes()
}

// Decode reads the event; the error is wire.ErrMalformed.
func (e *PEDEvent) Decode(b []byte) error {
	r := wire.NewReader(b)
	*e = PEDEvent{Kind: enum[EventKind](r), Mode: enum[PEDMode](r), Busy: r.Bool(), RPKs: readRPKs(r)}
	return r.Done()
}
