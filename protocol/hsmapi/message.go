package hsmapi

import (
	"fmt"

	"openped/internal/wire"
)

// Version is the version of this protocol.
const Version = 1

// Sizes in bytes.
const (
	MaxFrame   = 65536 // what the length field may say
	headerSize = 6     // version, type and id, which the length counts
)

// Type says what a message is.
type Type uint8

// The types.
const (
	Request  Type = 1 // caller: TagCommand and what the command takes
	Progress Type = 2 // server: TagEvent and its facts
	Prompt   Type = 3 // server: TagPromptID and its facts; waits for Answer
	Answer   Type = 4 // caller: TagPromptID and TagYes
	Cancel   Type = 5 // caller: give up; no fields; a Result follows
	Result   Type = 6 // server: TagCode and what the command gives
)

var typeNames = [...]string{Request: "request", Progress: "progress", Prompt: "prompt", Answer: "answer", Cancel: "cancel", Result: "result"}

// Valid reports whether t is one of the types above.
func (t Type) Valid() bool { return int(t) < len(typeNames) && typeNames[t] != "" }

// String returns "request", "progress" and so on.
func (t Type) String() string { return name(typeNames[:], int(t), "type") }

// Command is what a Request asks for.
type Command uint16

// The commands.
const (
	SlotList      Command = 1
	SlotInfo      Command = 2
	PedConnect    Command = 3
	PedDisconnect Command = 4
	PedSet        Command = 5
	PedShow       Command = 6
	VectorInit    Command = 7
	HsmInit       Command = 8
	Login         Command = 9
	Logout        Command = 10
	ChangePIN     Command = 11
	AuditShow     Command = 12
	AuditVerify   Command = 13
)

var commandNames = [...]string{SlotList: "slot list", SlotInfo: "slot info", PedConnect: "ped connect", PedDisconnect: "ped disconnect",
	PedSet: "ped set", PedShow: "ped show", VectorInit: "ped vector init", HsmInit: "hsm init", Login: "role login", Logout: "role logout",
	ChangePIN: "role changepw", AuditShow: "audit show", AuditVerify: "audit verify"}

// String returns the command as typed at the console, as in "ped connect".
func (c Command) String() string { return name(commandNames[:], int(c), "command") }

// Event is what a Progress message reports. Its text is the console's affair.
type Event uint8

// The events.
const (
	EventAttend   Event = 1 // somebody is wanted at the PED
	EventPassword Event = 2 // somebody is wanted there, to type TagPassword
	EventCaution  Event = 3 // the role TagRole has TagAttempts left before the HSM erases itself
	EventText     Event = 4 // lines of output: TagText
	EventAlive    Event = 5 // nothing new: the server is there and the request runs
)

var eventNames = [...]string{EventAttend: "attend", EventPassword: "password", EventCaution: "caution", EventText: "text", EventAlive: "alive"}

// String returns "attend", "password" and so on.
func (e Event) String() string { return name(eventNames[:], int(e), "event") }

// PromptID is what a Prompt asks at the console.
type PromptID uint8

// The prompts.
const (
	PromptLastAttempt PromptID = 1 // the last attempt before the HSM erases itself: proceed?
	PromptEraseHSM    PromptID = 2 // the HSM will be erased: proceed?
)

var promptNames = [...]string{PromptLastAttempt: "last-attempt", PromptEraseHSM: "erase-hsm"}

// String returns "last-attempt" or "erase-hsm".
func (p PromptID) String() string { return name(promptNames[:], int(p), "prompt") }

// State is the state of a slot's HSM.
type State uint8

// The states.
const (
	StateUninitialized State = 1 // as it left its maker
	StateInitialized   State = 2
	StateZeroized      State = 3 // erased itself
)

var stateNames = [...]string{StateUninitialized: "uninitialized", StateInitialized: "initialized", StateZeroized: "zeroized"}

// String returns "uninitialized", "initialized" or "zeroized".
func (s State) String() string { return name(stateNames[:], int(s), "state") }

func name(names []string, v int, what string) string {
	if v < len(names) && names[v] != "" {
		return names[v]
	}
	return fmt.Sprintf("%s %d", what, v)
}

// Message is one message.
//
//	length      4   of what follows, 6–65536
//	version     1   1
//	type        1   1–6
//	id          4   of the request, chosen by the caller, not zero
//	fields      n
type Message struct {
	Type   Type
	ID     uint32
	Fields Fields
}

// Format implements fmt.Formatter: every verb prints the message without its secrets.
func (m Message) Format(s fmt.State, _ rune) { fmt.Fprint(s, m.String()) }

// MarshalText implements encoding.TextMarshaler: see Fields.
func (m Message) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// String shows the message without its secrets.
func (m Message) String() string { return fmt.Sprintf("%v %d %v", m.Type, m.ID, m.Fields.String()) }

// Encode returns the message's bytes with the length in front. The error is
// wire.ErrMalformed if they would be refused.
func (m Message) Encode() ([]byte, error) {
	n := headerSize
	for _, x := range m.Fields {
		n += 4 + len(x.Value)
	}
	if n > MaxFrame || !m.check() {
		return nil, wire.ErrMalformed
	}
	w := wire.NewWriter(4 + n)
	w.U32(uint32(n)).U8(Version).U8(uint8(m.Type)).U32(m.ID)
	for _, x := range m.Fields {
		w.U16(uint16(x.Tag)).Var16(x.Value)
	}
	return w.Bytes(), nil
}

// check applies the rules that hold for every message: kinds, caps, and which
// tags may come twice.
func (m Message) check() bool {
	seen := map[Tag]bool{}
	for _, x := range m.Fields {
		i, ok := tags[x.Tag]
		if !ok || !i.accepts(x.Value) || seen[x.Tag] && !i.repeatable {
			return false
		}
		seen[x.Tag] = true
	}
	return m.Type.Valid() && m.ID != 0
}

// Decode reads what follows the length. Fields with unknown tags are left out;
// values are copies. The error is wire.ErrMalformed, ErrVersion or ErrCritical.
func Decode(b []byte) (Message, error) {
	if len(b) > MaxFrame {
		return Message{}, wire.ErrMalformed
	}
	r := wire.NewReader(b)
	if v := r.U8(); r.Err() == nil && v != Version {
		return Message{}, ErrVersion
	}
	m := Message{Type: Type(r.U8()), ID: r.U32()}
	critical := false
	for r.Len() > 0 {
		t, v := Tag(r.U16()), r.Var16(MaxFrame)
		if r.Err() != nil {
			break
		}
		if _, ok := tags[t]; ok {
			m.Fields = append(m.Fields, Field{t, append([]byte{}, v...)})
		} else if t&Critical != 0 {
			critical = true
		}
	}
	err := r.Done()
	switch {
	case err == nil && !m.check():
		err = wire.ErrMalformed
	case err == nil && critical:
		err = ErrCritical
	}
	if err != nil {
		m.Fields.Wipe()
		return Message{}, err
	}
	return m, nil
}
