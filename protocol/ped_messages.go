package protocol

import "openped/internal/wire"

// Messages from the PED to the HSM, and Cancel, which goes either way.

// InfoReply answers Info.
//
//	type        1   0x81
//	serial      1+n printable ASCII, ≤ 32 bytes
//	firmware    1+n printable ASCII, ≤ 16 bytes
//	count       1   cached orange keys, ≤ 16
//	rpk       8·count  their serials
type InfoReply struct {
	Serial   string
	Firmware string
	RPKs     []KeySerial
}

// Type returns MsgInfoReply.
func (*InfoReply) Type() MsgType { return MsgInfoReply }
func (m *InfoReply) encode(w *wire.Writer) {
	w.Var8([]byte(m.Serial)).Var8([]byte(m.Firmware))
	writeRPKs(w, m.RPKs)
}
func (m *InfoReply) decode(r *wire.Reader) {
	m.Serial, m.Firmware, m.RPKs = r.Text8(MaxSerialText), r.Text8(MaxFirmwareText), readRPKs(r)
}

func writeRPKs(w *wire.Writer, keys []KeySerial) {
	w.U8(uint8(len(keys)))
	for _, k := range keys {
		w.Raw(k[:])
	}
}

func readRPKs(r *wire.Reader) []KeySerial {
	n := int(r.U8())
	need(r, n <= MaxRPKs)
	var keys []KeySerial
	for i := 0; i < n && r.Err() == nil; i++ {
		keys = append(keys, readKeySerial(r))
	}
	return keys
}

// KeyPresented tells the HSM which key is in the port; UseSet answers. Blank
// keys and keys of another type never get this far.
//
//	type        1   0x82
//	ceremony   16   not zero
//	key         8   serial, not zero
//	current    16   set id, zero without one
//	pending    16   set id, zero without one; not both are zero
//	index       1   1–N, of current, or of pending without current
//	M           1   1–N
//	N           1   1–16
//	rpk pub     2+n SubjectPublicKeyInfo (DER), ≤ 256 bytes, orange keys only
type KeyPresented struct {
	Ceremony         CeremonyID
	Key              KeySerial
	Current, Pending SetID
	Index, M, N      uint8
	RPKPub           []byte
}

// Type returns MsgKeyPresented.
func (*KeyPresented) Type() MsgType          { return MsgKeyPresented }
func (m *KeyPresented) ceremony() CeremonyID { return m.Ceremony }
func (m *KeyPresented) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).Raw(m.Key[:]).Raw(m.Current[:]).Raw(m.Pending[:]).U8(m.Index).U8(m.M).U8(m.N).Var16(m.RPKPub)
}
func (m *KeyPresented) decode(r *wire.Reader) {
	m.Ceremony, m.Key, m.Current, m.Pending = readCeremony(r), readKeySerial(r), readSetID(r), readSetID(r)
	m.Index, m.M, m.N = readShape(r)
	m.RPKPub = readVar(r, MaxRPKPub)
	need(r, !m.Key.IsZero() && !(m.Current.IsZero() && m.Pending.IsZero()))
}

// Share carries one unmasked share; ShareResult answers.
//
//	type        1   0x83
//	ceremony   16   not zero
//	key         8   serial, not zero
//	set        16   not zero
//	index       1   1–N
//	M           1   1–N
//	N           1   1–16
//	wrapped     2+n secret, 1–512 bytes (OpAuthenticate or OpReuse)
type Share struct {
	Ceremony    CeremonyID
	Key         KeySerial
	Set         SetID
	Index, M, N uint8
	Wrapped     []byte
}

// Type returns MsgShare.
func (*Share) Type() MsgType          { return MsgShare }
func (m *Share) ceremony() CeremonyID { return m.Ceremony }
func (m *Share) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).Raw(m.Key[:]).Raw(m.Set[:]).U8(m.Index).U8(m.M).U8(m.N).Var16(m.Wrapped)
}
func (m *Share) decode(r *wire.Reader) {
	m.Ceremony, m.Key, m.Set = readCeremony(r), readKeySerial(r), readSetID(r)
	m.Index, m.M, m.N = readShape(r)
	m.Wrapped = readVar1(r, MaxWrapped)
	need(r, !m.Key.IsZero() && !m.Set.IsZero())
}

// KeysetChoice says what the custodians chose at the keypad.
//
//	type        1   0x84
//	ceremony   16   not zero
//	reuse       1   0 or 1
//	M           1   1–N; 0 with reuse
//	N           1   1–16; 0 with reuse
type KeysetChoice struct {
	Ceremony CeremonyID
	Reuse    bool
	M, N     uint8
}

// Type returns MsgKeysetChoice.
func (*KeysetChoice) Type() MsgType          { return MsgKeysetChoice }
func (m *KeysetChoice) ceremony() CeremonyID { return m.Ceremony }
func (m *KeysetChoice) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).Bool(m.Reuse).U8(m.M).U8(m.N)
}
func (m *KeysetChoice) decode(r *wire.Reader) {
	m.Ceremony, m.Reuse, m.M, m.N = readCeremony(r), r.Bool(), r.U8(), r.U8()
	if m.Reuse {
		need(r, m.M == 0 && m.N == 0)
	} else {
		need(r, goodMN(m.M, m.N))
	}
}

// ShareWritten says that a share is on a key and was read back.
//
//	type        1   0x85
//	ceremony   16   not zero
//	copy        1   as in WriteShare
//	index       1   as in WriteShare, 1–16
//	key         8   serial, not zero
type ShareWritten struct {
	Ceremony    CeremonyID
	Copy, Index uint8
	Key         KeySerial
}

// Type returns MsgShareWritten.
func (*ShareWritten) Type() MsgType          { return MsgShareWritten }
func (m *ShareWritten) ceremony() CeremonyID { return m.Ceremony }
func (m *ShareWritten) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).U8(m.Copy).U8(m.Index).Raw(m.Key[:])
}
func (m *ShareWritten) decode(r *wire.Reader) {
	m.Ceremony, m.Copy, m.Index, m.Key = readCeremony(r), r.U8(), r.U8(), readKeySerial(r)
	need(r, m.Index >= 1 && m.Index <= MaxShares && !m.Key.IsZero())
}

// DuplicateChoice says whether the custodians want one more copy of the set.
//
//	type        1   0x86
//	ceremony   16   not zero
//	yes         1   0 or 1
type DuplicateChoice struct {
	Ceremony CeremonyID
	Yes      bool
}

// Type returns MsgDuplicateChoice.
func (*DuplicateChoice) Type() MsgType           { return MsgDuplicateChoice }
func (m *DuplicateChoice) ceremony() CeremonyID  { return m.Ceremony }
func (m *DuplicateChoice) encode(w *wire.Writer) { w.Raw(m.Ceremony[:]).Bool(m.Yes) }
func (m *DuplicateChoice) decode(r *wire.Reader) { m.Ceremony, m.Yes = readCeremony(r), r.Bool() }

// Confirmed answers Confirm.
//
//	type        1   0x87
//	ceremony   16   not zero
//	yes         1   0 or 1
type Confirmed struct {
	Ceremony CeremonyID
	Yes      bool
}

// Type returns MsgConfirmed.
func (*Confirmed) Type() MsgType           { return MsgConfirmed }
func (m *Confirmed) ceremony() CeremonyID  { return m.Ceremony }
func (m *Confirmed) encode(w *wire.Writer) { w.Raw(m.Ceremony[:]).Bool(m.Yes) }
func (m *Confirmed) decode(r *wire.Reader) { m.Ceremony, m.Yes = readCeremony(r), r.Bool() }

// ReusedRPV carries an RPV that the PED joined, twice and alike, from a quorum
// of orange keys.
//
//	type        1   0x88
//	ceremony   16   not zero
//	set        16   not zero
//	M           1   1–N
//	N           1   1–16
//	wrapped     2+n RPV, 1–512 bytes (OpReuseRPV)
type ReusedRPV struct {
	Ceremony CeremonyID
	Set      SetID
	M, N     uint8
	Wrapped  []byte
}

// Type returns MsgReusedRPV.
func (*ReusedRPV) Type() MsgType          { return MsgReusedRPV }
func (m *ReusedRPV) ceremony() CeremonyID { return m.Ceremony }
func (m *ReusedRPV) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).Raw(m.Set[:]).U8(m.M).U8(m.N).Var16(m.Wrapped)
}
func (m *ReusedRPV) decode(r *wire.Reader) {
	m.Ceremony, m.Set, m.M, m.N, m.Wrapped = readCeremony(r), readSetID(r), r.U8(), r.U8(), readVar1(r, MaxWrapped)
	need(r, !m.Set.IsZero() && goodMN(m.M, m.N))
}

// Cancel ends an operation early. Both sides are idle after it; the session
// stays up.
//
//	type        1   0x7e
//	ceremony   16   not zero
//	reason      1   1 operator, 2 timeout, 3 host, 4 busy, 5 key fault, 6 refused, 7 protocol
type Cancel struct {
	Ceremony CeremonyID
	Reason   CancelReason
}

// Type returns MsgCancel.
func (*Cancel) Type() MsgType           { return MsgCancel }
func (m *Cancel) ceremony() CeremonyID  { return m.Ceremony }
func (m *Cancel) encode(w *wire.Writer) { w.Raw(m.Ceremony[:]).U8(uint8(m.Reason)) }
func (m *Cancel) decode(r *wire.Reader) {
	m.Ceremony, m.Reason = readCeremony(r), enum[CancelReason](r)
}
