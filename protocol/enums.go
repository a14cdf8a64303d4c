package protocol

// Prompt is a question with a yes-or-no answer at the PED. There is no free
// text: an HSM cannot make a PED show what it likes.
type Prompt uint8

// The prompts.
const PromptEraseHSM Prompt = 1 // the HSM is about to be erased

var promptNames = [...]string{PromptEraseHSM: "erase-hsm"}

// String returns "erase-hsm".
func (v Prompt) String() string { return enumName(promptNames[:], uint8(v), "prompt") }

// Valid reports whether v is one of the prompts above.
func (v Prompt) Valid() bool { return enumValid(promptNames[:], uint8(v)) }

// Use says which of a key's two sets the HSM wants.
type Use uint8

// The uses.
const (
	UseCurrent Use = 1 // read the current set
	UsePending Use = 2 // the pending set is live: promote it, then read it
	UseRefuse  Use = 3 // this key is not wanted: show why, wait for another
)

var useNames = [...]string{UseCurrent: "current", UsePending: "pending", UseRefuse: "refuse"}

// String returns "current", "pending" or "refuse".
func (v Use) String() string { return enumName(useNames[:], uint8(v), "use") }

// Valid reports whether v is one of the uses above.
func (v Use) Valid() bool { return enumValid(useNames[:], uint8(v)) }

// UseReason says why the HSM answered a presented key as it did.
type UseReason uint8

// The reasons.
const (
	ReasonNone       UseReason = 0
	ReasonSameKey    UseReason = 1 // this key was presented before in this operation
	ReasonUnknownSet UseReason = 2 // neither set is live: leave a pending one alone
)

var reasonNames = [...]string{ReasonNone: "none", ReasonSameKey: "same-key", ReasonUnknownSet: "unknown-set"}

// String returns "none", "same-key" or "unknown-set".
func (v UseReason) String() string { return enumName(reasonNames[:], uint8(v), "reason") }

// Valid reports whether v is one of the reasons above.
func (v UseReason) Valid() bool { return enumValid(reasonNames[:], uint8(v)) }

// ShareStatus is the HSM's answer to a share.
type ShareStatus uint8

// The statuses.
const (
	ShareMore   ShareStatus = 1 // taken, more are needed
	ShareSame   ShareStatus = 2 // refused: this share is in already
	ShareAgain  ShareStatus = 3 // the quorum is complete: read all of it a second time
	ShareDone   ShareStatus = 4 // complete and right
	ShareFailed ShareStatus = 5 // complete and wrong
)

var shareNames = [...]string{ShareMore: "more", ShareSame: "same", ShareAgain: "again", ShareDone: "done", ShareFailed: "failed"}

// String returns "more", "same", "again", "done" or "failed".
func (v ShareStatus) String() string { return enumName(shareNames[:], uint8(v), "share status") }

// Valid reports whether v is one of the statuses above.
func (v ShareStatus) Valid() bool { return enumValid(shareNames[:], uint8(v)) }

// EndResult is how an operation ended.
type EndResult uint8

// The results.
const (
	EndOK     EndResult = 1
	EndFailed EndResult = 2
)

var endNames = [...]string{EndOK: "ok", EndFailed: "failed"}

// String returns "ok" or "failed".
func (v EndResult) String() string { return enumName(endNames[:], uint8(v), "result") }

// Valid reports whether v is one of the results above.
func (v EndResult) Valid() bool { return enumValid(endNames[:], uint8(v)) }

// CancelReason says who or what ended an operation early.
type CancelReason uint8

// The reasons.
const (
	CancelOperator CancelReason = 1 // CLEAR held, or '<', at the PED
	CancelTimeout  CancelReason = 2 // nobody acted in time
	CancelHost     CancelReason = 3 // the HSM's side gave up
	CancelBusy     CancelReason = 4 // the PED is in a menu or in another operation
	CancelKeyFault CancelReason = 5 // key pulled, unreadable, or of the wrong generation
	CancelRefused  CancelReason = 6 // the custodian said NO
	CancelProtocol CancelReason = 7 // the other side broke the rules
)

var cancelNames = [...]string{CancelOperator: "operator", CancelTimeout: "timeout", CancelHost: "host", CancelBusy: "busy",
	CancelKeyFault: "key-fault", CancelRefused: "refused", CancelProtocol: "protocol"}

// String returns "operator", "timeout", "host", "busy", "key-fault", "refused" or "protocol".
func (v CancelReason) String() string { return enumName(cancelNames[:], uint8(v), "cancel reason") }

// Valid reports whether v is one of the reasons above.
func (v CancelReason) Valid() bool { return enumValid(cancelNames[:], uint8(v)) }

// PEDMode is the switch on the PED that says whom it serves.
type PEDMode uint8

// The modes.
const (
	PEDModeRemote PEDMode = 1 // serves a remote HSM with an RPV
	PEDModeLocal  PEDMode = 2 // serves the HSM on its own cable
	PEDModePair   PEDMode = 3 // serves one try with a one-time password
	PEDModeAdmin  PEDMode = 4 // in a menu: serves nobody
)

var pedModeNames = [...]string{PEDModeRemote: "remote", PEDModeLocal: "local", PEDModePair: "pair", PEDModeAdmin: "admin"}

// String returns "remote", "local", "pair" or "admin".
func (v PEDMode) String() string { return enumName(pedModeNames[:], uint8(v), "mode") }

// Valid reports whether v is one of the modes above.
func (v PEDMode) Valid() bool { return enumValid(pedModeNames[:], uint8(v)) }

// EventKind is what a PEDEvent reports.
type EventKind uint8

// The kinds.
const (
	EvtState  EventKind = 1 // the PED's state, also after every change of it
	EvtProven EventKind = 2 // the far HSM has proved who it is (HsmProof verified)
	EvtClosed EventKind = 3 // the channel is over
)

var eventNames = [...]string{EvtState: "state", EvtProven: "proven", EvtClosed: "closed"}

// String returns "state", "proven" or "closed".
func (v EventKind) String() string { return enumName(eventNames[:], uint8(v), "event") }

// Valid reports whether v is one of the kinds above.
func (v EventKind) Valid() bool { return enumValid(eventNames[:], uint8(v)) }
