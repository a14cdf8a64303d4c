package hsmapi

import "fmt"

// Tag says what a field is. A reader skips fields with a tag it does not know,
// unless the tag has the bit Critical: then it refuses the message.
type Tag uint16

// Critical marks tags that nobody may skip.
const Critical Tag = 0x8000

// The tags. Each message names those it uses; see docs/SPEC.md.
const (
	TagCommand        Tag = 0x0001 // u16, Command
	TagSlot           Tag = 0x0002 // u32
	TagLabel          Tag = 0x0003 // text ≤ 32
	TagSerial         Tag = 0x0004 // text ≤ 32, the HSM's
	TagFirmware       Tag = 0x0005 // text ≤ 16, the HSM's
	TagHost           Tag = 0x0006 // text ≤ 255, address or name of a PEDserver
	TagPort           Tag = 0x0007 // u32, 1–65535
	TagPassword       Tag = 0x0008 // secret ≤ 64, the one-time password: 8 digits
	TagWantPassword   Tag = 0x0009 // bool, make a random one-time password
	TagRole           Tag = 0x000a // u8, protocol.Role
	TagForce          Tag = 0x000b // bool, ask nothing at the console
	TagText           Tag = 0x000c // text ≤ 1024, a line for people, repeatable
	TagCode           Tag = 0x000d // u32, Code
	TagHint           Tag = 0x000e // text ≤ 512
	TagName           Tag = 0x000f // text ≤ 64
	TagCount          Tag = 0x0010 // u64
	TagAttempts       Tag = 0x0011 // u32, login attempts left
	TagState          Tag = 0x0012 // u8, State
	TagPromptID       Tag = 0x0013 // u8, PromptID
	TagYes            Tag = 0x0014 // bool, the answer to a prompt
	TagInitialized    Tag = 0x0015 // bool, the HSM
	TagRPVInitialized Tag = 0x0016 // bool
	TagConnected      Tag = 0x0017 // bool, a PED is connected
	TagPEDSerial      Tag = 0x0018 // text ≤ 32
	TagPEDFirmware    Tag = 0x0019 // text ≤ 16
	TagSoftware       Tag = 0x001a // bool, the PED is software
	TagSeconds        Tag = 0x001b // u32
	TagEvent          Tag = 0x001c // u8, Event
	TagLoggedIn       Tag = 0x001d // u8, protocol.Role, repeatable
	TagFrom           Tag = 0x001e // u64, first audit record wanted
	TagLimit          Tag = 0x001f // u32, most records wanted
	TagDriver         Tag = 0x0020 // text ≤ 32, what the slot is: "virtual"
	TagRecord         Tag = 0x0021 // u64, the number of an audit record
	TagHash           Tag = 0x0022 // text ≤ 128, its hash in hex
	TagAuth           Tag = 0x0023 // text ≤ 16, how people authenticate to the HSM: "ped" or "password"
	TagPEDID          Tag = 0x0024 // u32, a PED ID
	TagPEDServer      Tag = 0x0025 // text ≤ 64, the name that a PEDserver is registered under
	TagTLS            Tag = 0x0026 // bool, the link has TLS
	TagPEDInitiated   Tag = 0x0027 // bool, the PEDserver has called
	TagLocal          Tag = 0x0028 // bool, the PED is one of this host
	TagDevice         Tag = 0x0029 // text ≤ 160, what -peddevice calls it
)

type kind uint8

const (
	kindText kind = iota + 1 // printable ASCII
	kindSecret
	kindBool
	kindU8
	kindU16
	kindU32
	kindU64
)

// size is the length of a kind whose length is fixed.
var size = map[kind]int{kindBool: 1, kindU8: 1, kindU16: 2, kindU32: 4, kindU64: 8}

type tagInfo struct {
	name       string
	kind       kind
	max        int // of text and secrets, in bytes
	repeatable bool
}

// Slots and their facts repeat in lists: a group begins with its TagSlot.
var tags = map[Tag]tagInfo{
	TagCommand:        {"command", kindU16, 0, false},
	TagSlot:           {"slot", kindU32, 0, true},
	TagLabel:          {"label", kindText, 32, true},
	TagSerial:         {"serial", kindText, 32, true},
	TagFirmware:       {"firmware", kindText, 16, true},
	TagHost:           {"host", kindText, 255, true},
	TagPort:           {"port", kindU32, 0, true},
	TagPassword:       {"password", kindSecret, 64, false},
	TagWantPassword:   {"want-password", kindBool, 0, false},
	TagRole:           {"role", kindU8, 0, false},
	TagForce:          {"force", kindBool, 0, false},
	TagText:           {"text", kindText, 1024, true},
	TagCode:           {"code", kindU32, 0, false},
	TagHint:           {"hint", kindText, 512, false},
	TagName:           {"name", kindText, 64, true},
	TagCount:          {"count", kindU64, 0, false},
	TagAttempts:       {"attempts", kindU32, 0, true},
	TagState:          {"state", kindU8, 0, true},
	TagPromptID:       {"prompt", kindU8, 0, false},
	TagYes:            {"yes", kindBool, 0, false},
	TagInitialized:    {"initialized", kindBool, 0, true},
	TagRPVInitialized: {"rpv-initialized", kindBool, 0, true},
	TagConnected:      {"connected", kindBool, 0, true},
	TagPEDSerial:      {"ped-serial", kindText, 32, true},
	TagPEDFirmware:    {"ped-firmware", kindText, 16, true},
	TagSoftware:       {"software", kindBool, 0, true},
	TagSeconds:        {"seconds", kindU32, 0, true},
	TagEvent:          {"event", kindU8, 0, false},
	TagLoggedIn:       {"logged-in", kindU8, 0, true},
	TagFrom:           {"from", kindU64, 0, false},
	TagLimit:          {"limit", kindU32, 0, false},
	TagDriver:         {"driver", kindText, 32, true},
	TagRecord:         {"record", kindU64, 0, false},
	TagHash:           {"hash", kindText, 128, false},
	TagAuth:           {"auth", kindText, 16, true},
	TagPEDID:          {"ped-id", kindU32, 0, true},
	TagPEDServer:      {"pedserver", kindText, 64, true},
	TagTLS:            {"tls", kindBool, 0, true},
	TagPEDInitiated:   {"ped-initiated", kindBool, 0, true},
	TagLocal:          {"local", kindBool, 0, true},
	TagDevice:         {"device", kindText, 160, true},
}

// String returns the tag's name, as in "slot".
func (t Tag) String() string {
	if i, ok := tags[t]; ok {
		return i.name
	}
	return fmt.Sprintf("tag 0x%04x", uint16(t))
}

// accepts reports whether v is a value that the tag's kind and cap allow.
func (i tagInfo) accepts(v []byte) bool {
	switch i.kind {
	case kindText:
		for _, c := range v {
			if c < 0x20 || c > 0x7e {
				return false
			}
		}
		return len(v) <= i.max
	case kindSecret:
		return len(v) <= i.max
	case kindBool:
		return len(v) == 1 && v[0] <= 1
	}
	return len(v) == size[i.kind]
}
