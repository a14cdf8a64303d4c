package protocol

import "openped/internal/wire"

// Messages from the HSM to the PED.

// Authenticate starts a login: the PED collects shares of the role's live set.
// The role is one that people log in as.
//
//	type        1   0x01
//	ceremony   16   not zero
//	role        1   1–6
//	key type    1   the role's
//	timeout     2   seconds per action, 1–3600
//	last try    1   0 or 1: a failure now has consequences, say so
type Authenticate struct {
	Ceremony   CeremonyID
	Role       Role
	KeyType    KeyType
	TimeoutSec uint16
	LastTry    bool
}

// Type returns MsgAuthenticate.
func (*Authenticate) Type() MsgType          { return MsgAuthenticate }
func (m *Authenticate) ceremony() CeremonyID { return m.Ceremony }
func (m *Authenticate) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).U8(uint8(m.Role)).U8(uint8(m.KeyType)).U16(m.TimeoutSec).Bool(m.LastTry)
}
func (m *Authenticate) decode(r *wire.Reader) {
	m.Ceremony, m.Role, m.KeyType = readCeremony(r), enum[Role](r), enum[KeyType](r)
	m.TimeoutSec, m.LastTry = readTimeout(r), r.Bool()
	need(r, m.Role.LogsIn() && m.KeyType == m.Role.KeyType())
}

// CreateKeyset starts the making (or the reuse) of a keyset; for RoleRPV, of a
// remote PED vector.
//
//	type        1   0x02
//	ceremony   16   not zero
//	role        1   1–8
//	key type    1   the role's
//	timeout     2   seconds per action, 1–3600
//	may reuse   1   0 or 1: whether the PED offers to reuse an existing keyset
//	live set   16   the role's set in force, zero if there is none
//
// A key that holds two sets loses one when its share is written; never the live
// one.
type CreateKeyset struct {
	Ceremony   CeremonyID
	Role       Role
	KeyType    KeyType
	TimeoutSec uint16
	MayReuse   bool
	LiveSet    SetID
}

// Type returns MsgCreateKeyset.
func (*CreateKeyset) Type() MsgType          { return MsgCreateKeyset }
func (m *CreateKeyset) ceremony() CeremonyID { return m.Ceremony }
func (m *CreateKeyset) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).U8(uint8(m.Role)).U8(uint8(m.KeyType)).U16(m.TimeoutSec).Bool(m.MayReuse).Raw(m.LiveSet[:])
}
func (m *CreateKeyset) decode(r *wire.Reader) {
	m.Ceremony, m.Role, m.KeyType = readCeremony(r), enum[Role](r), enum[KeyType](r)
	m.TimeoutSec, m.MayReuse, m.LiveSet = readTimeout(r), r.Bool(), readSetID(r)
	need(r, m.KeyType == m.Role.KeyType())
}

// Confirm asks a yes-or-no question at the PED.
//
//	type        1   0x03
//	ceremony   16   not zero
//	prompt      1   1 erase the HSM
//	timeout     2   seconds, 1–3600
type Confirm struct {
	Ceremony   CeremonyID
	Prompt     Prompt
	TimeoutSec uint16
}

// Type returns MsgConfirm.
func (*Confirm) Type() MsgType          { return MsgConfirm }
func (m *Confirm) ceremony() CeremonyID { return m.Ceremony }
func (m *Confirm) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).U8(uint8(m.Prompt)).U16(m.TimeoutSec)
}
func (m *Confirm) decode(r *wire.Reader) {
	m.Ceremony, m.Prompt, m.TimeoutSec = readCeremony(r), enum[Prompt](r), readTimeout(r)
}

// Info asks the PED who it is; InfoReply answers.
//
//	type        1   0x04
type Info struct{}

// Type returns MsgInfo.
func (*Info) Type() MsgType         { return MsgInfo }
func (m *Info) encode(*wire.Writer) {}
func (m *Info) decode(*wire.Reader) {}

// UseSet answers KeyPresented: which set of the key is wanted.
//
//	type        1   0x05
//	ceremony   16   not zero
//	use         1   1 current, 2 pending, 3 refuse
//	reason      1   0 none, 1 same key, 2 unknown set
//
// UseCurrent with ReasonNone says that the current set is live: a pending one
// is stale and is erased. UsePending with ReasonNone says that the pending set
// is live: it is promoted. With ReasonUnknownSet the set is read and the key
// left as it is: another HSM may know better.
type UseSet struct {
	Ceremony CeremonyID
	Use      Use
	Reason   UseReason
}

// Type returns MsgUseSet.
func (*UseSet) Type() MsgType          { return MsgUseSet }
func (m *UseSet) ceremony() CeremonyID { return m.Ceremony }
func (m *UseSet) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).U8(uint8(m.Use)).U8(uint8(m.Reason))
}
func (m *UseSet) decode(r *wire.Reader) {
	m.Ceremony, m.Use, m.Reason = readCeremony(r), enum[Use](r), enum[UseReason](r)
}

// ShareResult answers Share.
//
//	type        1   0x06
//	ceremony   16   not zero
//	status      1   1 more, 2 same, 3 again, 4 done, 5 failed
//	have        1   shares taken so far, ≤ need
//	need        1   shares needed, ≤ 16
type ShareResult struct {
	Ceremony   CeremonyID
	Status     ShareStatus
	Have, Need uint8
}

// Type returns MsgShareResult.
func (*ShareResult) Type() MsgType          { return MsgShareResult }
func (m *ShareResult) ceremony() CeremonyID { return m.Ceremony }
func (m *ShareResult) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).U8(uint8(m.Status)).U8(m.Have).U8(m.Need)
}
func (m *ShareResult) decode(r *wire.Reader) {
	m.Ceremony, m.Status, m.Have, m.Need = readCeremony(r), enum[ShareStatus](r), r.U8(), r.U8()
	need(r, m.Have <= m.Need && m.Need <= MaxShares)
}

// WriteShare has the PED write one share to a key's pending set.
//
//	type        1   0x07
//	ceremony   16   not zero
//	copy        1   0 the first full set, 1–255 duplicates
//	index       1   1–N
//	M           1   1–N
//	N           1   1–16
//	set        16   not zero
//	wrapped     2+n secret, 1–512 bytes (OpCreate; OpProvision on an orange key)
//	rpk key     2+n wrapped RPK private key, ≤ 512 bytes (OpRPKKey), else empty
//	rpk cert    2+n its certificate (DER), ≤ 2048 bytes, empty without rpk key
type WriteShare struct {
	Ceremony    CeremonyID
	Copy        uint8
	Index, M, N uint8
	Set         SetID
	Wrapped     []byte
	RPKKey      []byte
	RPKCert     []byte
}

// Type returns MsgWriteShare.
func (*WriteShare) Type() MsgType          { return MsgWriteShare }
func (m *WriteShare) ceremony() CeremonyID { return m.Ceremony }
func (m *WriteShare) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).U8(m.Copy).U8(m.Index).U8(m.M).U8(m.N).Raw(m.Set[:]).Var16(m.Wrapped).Var16(m.RPKKey).Var16(m.RPKCert)
}
func (m *WriteShare) decode(r *wire.Reader) {
	m.Ceremony, m.Copy = readCeremony(r), r.U8()
	m.Index, m.M, m.N = readShape(r)
	m.Set = readSetID(r)
	m.Wrapped, m.RPKKey, m.RPKCert = readVar1(r, MaxWrapped), readVar(r, MaxWrapped), readVar(r, MaxRPKCert)
	need(r, !m.Set.IsZero() && (len(m.RPKKey) == 0) == (len(m.RPKCert) == 0))
}

// Committed tells the PED that a copy is complete and, with a set, that this
// set is the live one. Without one the commit comes later, together with another
// keyset's: duplicates may follow, but nothing is promoted.
//
//	type        1   0x08
//	ceremony   16   not zero
//	set        16   zero: complete, not live yet
type Committed struct {
	Ceremony CeremonyID
	Set      SetID
}

// Type returns MsgCommitted.
func (*Committed) Type() MsgType          { return MsgCommitted }
func (m *Committed) ceremony() CeremonyID { return m.Ceremony }
func (m *Committed) encode(w *wire.Writer) {
	w.Raw(m.Ceremony[:]).Raw(m.Set[:])
}
func (m *Committed) decode(r *wire.Reader) {
	m.Ceremony, m.Set = readCeremony(r), readSetID(r)
}

// Grant gives a presented orange key a certificate of this HSM for its RPK, in
// the second pass of an RPV's reuse. The PED writes it to the key.
//
//	type        1   0x09
//	ceremony   16   not zero
//	rpk cert    2+n certificate (DER), 1–2048 bytes
type Grant struct {
	Ceremony CeremonyID
	RPKCert  []byte
}

// Type returns MsgGrant.
func (*Grant) Type() MsgType           { return MsgGrant }
func (m *Grant) ceremony() CeremonyID  { return m.Ceremony }
func (m *Grant) encode(w *wire.Writer) { w.Raw(m.Ceremony[:]).Var16(m.RPKCert) }
func (m *Grant) decode(r *wire.Reader) {
	m.Ceremony, m.RPKCert = readCeremony(r), readVar1(r, MaxRPKCert)
}

// End closes an operation: the PED shows the result and goes idle.
//
//	type        1   0x0a
//	ceremony   16   not zero
//	result      1   1 ok, 2 failed
type End struct {
	Ceremony CeremonyID
	Result   EndResult
}

// Type returns MsgEnd.
func (*End) Type() MsgType           { return MsgEnd }
func (m *End) ceremony() CeremonyID  { return m.Ceremony }
func (m *End) encode(w *wire.Writer) { w.Raw(m.Ceremony[:]).U8(uint8(m.Result)) }
func (m *End) decode(r *wire.Reader) { m.Ceremony, m.Result = readCeremony(r), enum[EndResult](r) }
