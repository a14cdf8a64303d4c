package protocol

import (
	"errors"
	"fmt"

	"openped/internal/wire"
)

// Caps of the fields of PED messages, in bytes unless said otherwise.
const (
	MaxSerialText   = 32   // a serial number of an HSM or a PED
	MaxFirmwareText = 16   // a firmware version
	MaxRPKs         = 16   // orange keys in a PED's cache (a count)
	MaxWrapped      = 512  // a wrapped secret
	MaxRPKPub       = 256  // SubjectPublicKeyInfo of an orange key
	MaxRPKCert      = 2048 // certificate of an orange key
	MaxTimeoutSec   = 3600 // seconds per action
	MaxMessage      = 8192 // a whole message: none of version 1 comes near it
)

// MsgType is the first byte of every PED message. Types from 0x80 on travel
// from the PED to the HSM, lower ones from the HSM to the PED, Cancel both ways.
type MsgType uint8

// The message types.
const (
	MsgAuthenticate    MsgType = 0x01
	MsgCreateKeyset    MsgType = 0x02
	MsgConfirm         MsgType = 0x03
	MsgInfo            MsgType = 0x04
	MsgUseSet          MsgType = 0x05
	MsgShareResult     MsgType = 0x06
	MsgWriteShare      MsgType = 0x07
	MsgCommitted       MsgType = 0x08
	MsgGrant           MsgType = 0x09
	MsgEnd             MsgType = 0x0a
	MsgCancel          MsgType = 0x7e
	MsgInfoReply       MsgType = 0x81
	MsgKeyPresented    MsgType = 0x82
	MsgShare           MsgType = 0x83
	MsgKeysetChoice    MsgType = 0x84
	MsgShareWritten    MsgType = 0x85
	MsgDuplicateChoice MsgType = 0x86
	MsgConfirmed       MsgType = 0x87
	MsgReusedRPV       MsgType = 0x88
)

// message is what a pointer to each message struct can do.
type message interface {
	Message
	decode(*wire.Reader)
}

var msgTypes = map[MsgType]struct {
	name string
	make func() message
}{
	MsgAuthenticate:    {"Authenticate", func() message { return new(Authenticate) }},
	MsgCreateKeyset:    {"CreateKeyset", func() message { return new(CreateKeyset) }},
	MsgConfirm:         {"Confirm", func() message { return new(Confirm) }},
	MsgInfo:            {"Info", func() message { return new(Info) }},
	MsgUseSet:          {"UseSet", func() message { return new(UseSet) }},
	MsgShareResult:     {"ShareResult", func() message { return new(ShareResult) }},
	MsgWriteShare:      {"WriteShare", func() message { return new(WriteShare) }},
	MsgCommitted:       {"Committed", func() message { return new(Committed) }},
	MsgGrant:           {"Grant", func() message { return new(Grant) }},
	MsgEnd:             {"End", func() message { return new(End) }},
	MsgCancel:          {"Cancel", func() message { return new(Cancel) }},
	MsgInfoReply:       {"InfoReply", func() message { return new(InfoReply) }},
	MsgKeyPresented:    {"KeyPresented", func() message { return new(KeyPresented) }},
	MsgShare:           {"Share", func() message { return new(Share) }},
	MsgKeysetChoice:    {"KeysetChoice", func() message { return new(KeysetChoice) }},
	MsgShareWritten:    {"ShareWritten", func() message { return new(ShareWritten) }},
	MsgDuplicateChoice: {"DuplicateChoice", func() message { return new(DuplicateChoice) }},
	MsgConfirmed:       {"Confirmed", func() message { return new(Confirmed) }},
	MsgReusedRPV:       {"ReusedRPV", func() message { return new(ReusedRPV) }},
}

// String returns the message's name, as in "KeyPresented".
func (t MsgType) String() string {
	if d, ok := msgTypes[t]; ok {
		return d.name
	}
	return fmt.Sprintf("message 0x%02x", uint8(t))
}

// FromPED reports whether the PED may send this type.
func (t MsgType) FromPED() bool { return t >= 0x80 || t == MsgCancel }

// FromHSM reports whether the HSM may send this type.
func (t MsgType) FromHSM() bool { return t < 0x80 }

// Message is one PED message: a pointer to one of the structs of this package.
type Message interface {
	Type() MsgType
	encode(*wire.Writer)
}

// ErrMessage is what EncodeMessage's panic and CheckMessage wrap.
var ErrMessage = errors.New("message breaks its own format")

// EncodeMessage returns m's bytes, type first. It panics if m is not one that
// DecodeMessage would take: nobody may send what the other side must refuse.
// Who fills a message with values from outside checks them before, or asks
// CheckMessage.
func EncodeMessage(m Message) []byte {
	b, err := encodeMessage(m)
	if err != nil {
		panic("protocol: " + err.Error())
	}
	return b
}

// CheckMessage returns an error wrapping ErrMessage if m cannot be encoded.
func CheckMessage(m Message) error {
	b, err := encodeMessage(m)
	clear(b)
	return err
}

func encodeMessage(m Message) (b []byte, err error) {
	if fits(m) {
		b = encodeAny(m)
		if _, err := DecodeMessage(b); err == nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%w: %v", ErrMessage, m.Type())
}

func encodeAny(m Message) []byte {
	w := wire.NewWriter(64)
	w.U8(uint8(m.Type()))
	m.encode(w)
	return w.Bytes()
}

// fits guards the writer's own limits, which are wider than the fields' caps.
func fits(m Message) bool {
	switch m := m.(type) {
	case *InfoReply:
		return len(m.Serial) <= MaxSerialText && len(m.Firmware) <= MaxFirmwareText && len(m.RPKs) <= MaxRPKs
	case *KeyPresented:
		return len(m.RPKPub) <= MaxRPKPub
	case *Share:
		return len(m.Wrapped) <= MaxWrapped
	case *ReusedRPV:
		return len(m.Wrapped) <= MaxWrapped
	case *WriteShare:
		return len(m.Wrapped) <= MaxWrapped && len(m.RPKKey) <= MaxWrapped && len(m.RPKCert) <= MaxRPKCert
	case *Grant:
		return len(m.RPKCert) <= MaxRPKCert
	}
	return true
}

// DecodeMessage reads one message. Everything is checked: the type, every
// enumeration, every cap, and that nothing follows. The message's byte fields
// are copies. The error is wire.ErrMalformed.
func DecodeMessage(b []byte) (Message, error) {
	if len(b) > MaxMessage {
		return nil, wire.ErrMalformed
	}
	r := wire.NewReader(b)
	d, ok := msgTypes[MsgType(r.U8())]
	if !ok {
		return nil, wire.ErrMalformed
	}
	m := d.make()
	m.decode(r)
	if err := r.Done(); err != nil {
		return nil, err
	}
	return m, nil
}

// CeremonyOf returns the ceremony a message belongs to; Info and InfoReply have
// none and give zero.
func CeremonyOf(m Message) CeremonyID {
	if c, ok := m.(interface{ ceremony() CeremonyID }); ok {
		return c.ceremony()
	}
	return CeremonyID{}
}
