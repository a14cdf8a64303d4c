package hsmapi

import "fmt"

// Code is the outcome of a command. Its names and numbers are those of PKCS#11
// where that has one. CKR_PED_UNPLUGGED has the number that administrators of
// such systems know. The numbers from 0x80010000 to 0x8001ffff lie in the range
// PKCS#11 leaves to vendors and are this project's own.
type Code uint32

// The codes.
const (
	CKR_OK                             Code = 0x00000000
	CKR_CANCEL                         Code = 0x00000001
	CKR_HOST_MEMORY                    Code = 0x00000002
	CKR_SLOT_ID_INVALID                Code = 0x00000003
	CKR_GENERAL_ERROR                  Code = 0x00000005
	CKR_FUNCTION_FAILED                Code = 0x00000006
	CKR_ARGUMENTS_BAD                  Code = 0x00000007
	CKR_DEVICE_ERROR                   Code = 0x00000030
	CKR_DEVICE_REMOVED                 Code = 0x00000032
	CKR_FUNCTION_CANCELED              Code = 0x00000050
	CKR_FUNCTION_NOT_SUPPORTED         Code = 0x00000054
	CKR_OPERATION_ACTIVE               Code = 0x00000090
	CKR_PIN_INCORRECT                  Code = 0x000000a0
	CKR_PIN_LOCKED                     Code = 0x000000a4
	CKR_TOKEN_NOT_PRESENT              Code = 0x000000e0
	CKR_USER_ALREADY_LOGGED_IN         Code = 0x00000100
	CKR_USER_NOT_LOGGED_IN             Code = 0x00000101
	CKR_USER_PIN_NOT_INITIALIZED       Code = 0x00000102
	CKR_USER_TYPE_INVALID              Code = 0x00000103
	CKR_USER_ANOTHER_ALREADY_LOGGED_IN Code = 0x00000104

	CKR_PED_UNPLUGGED Code = 0x8000002e

	// Our own.
	CKR_PED_BUSY            Code = 0x80010001 // another HSM has the PED
	CKR_PED_FIRMWARE        Code = 0x80010002 // PED and HSM firmware do not go together
	CKR_PED_TIMEOUT         Code = 0x80010003 // nobody acted at the PED in time
	CKR_PED_REFUSED         Code = 0x80010004 // the custodian said NO, or the PED's switch forbids it
	CKR_RPV_NOT_INITIALIZED Code = 0x80010005 // the HSM has no remote PED vector yet
	CKR_PED_AUTH_FAILED     Code = 0x80010006 // HSM and PED did not set up their channel
	CKR_CALLBACK_ERROR      Code = 0x80010007 // the link to the PED broke its rules
	CKR_RPV_INITIALIZED     Code = 0x80010008 // the HSM has a remote PED vector already
	CKR_PED_KEY_FAULT       Code = 0x80010009 // a PED key was pulled, unreadable, or of the wrong generation
	CKR_AUDIT_BROKEN        Code = 0x8001000a // the audit log's chain does not verify
	CKR_HSM_ZEROIZED        Code = 0x8001000b // the HSM erased itself
	CKR_PEDSERVER_UNTRUSTED Code = 0x8001000c // TLS: not the PEDserver that is registered, or it does not know this host
)

var codes = map[Code]struct{ name, hint string }{
	CKR_OK:                             {"CKR_OK", ""},
	CKR_CANCEL:                         {"CKR_CANCEL", ""},
	CKR_HOST_MEMORY:                    {"CKR_HOST_MEMORY", "close other programs on the HSM's host"},
	CKR_SLOT_ID_INVALID:                {"CKR_SLOT_ID_INVALID", "list the slots with `slot list`"},
	CKR_GENERAL_ERROR:                  {"CKR_GENERAL_ERROR", "see pedclient's log"},
	CKR_FUNCTION_FAILED:                {"CKR_FUNCTION_FAILED", "see pedclient's log"},
	CKR_ARGUMENTS_BAD:                  {"CKR_ARGUMENTS_BAD", "see `help` for the command's options"},
	CKR_DEVICE_ERROR:                   {"CKR_DEVICE_ERROR", "see pedclient's log"},
	CKR_DEVICE_REMOVED:                 {"CKR_DEVICE_REMOVED", "start the HSM's slot again"},
	CKR_FUNCTION_CANCELED:              {"CKR_FUNCTION_CANCELED", "run the command again"},
	CKR_FUNCTION_NOT_SUPPORTED:         {"CKR_FUNCTION_NOT_SUPPORTED", "install the same release of hsmcm and pedclient"},
	CKR_OPERATION_ACTIVE:               {"CKR_OPERATION_ACTIVE", "wait for the other operation on this slot, or cancel it"},
	CKR_PIN_INCORRECT:                  {"CKR_PIN_INCORRECT", "check that the keys are of this role's live keyset and that each PIN is right"},
	CKR_PIN_LOCKED:                     {"CKR_PIN_LOCKED", "the role has no attempts left: its superior must reset it"},
	CKR_TOKEN_NOT_PRESENT:              {"CKR_TOKEN_NOT_PRESENT", "initialize the HSM first"},
	CKR_USER_ALREADY_LOGGED_IN:         {"CKR_USER_ALREADY_LOGGED_IN", ""},
	CKR_USER_NOT_LOGGED_IN:             {"CKR_USER_NOT_LOGGED_IN", "log in first with `role login`"},
	CKR_USER_PIN_NOT_INITIALIZED:       {"CKR_USER_PIN_NOT_INITIALIZED", "initialize the role first"},
	CKR_USER_TYPE_INVALID:              {"CKR_USER_TYPE_INVALID", "the roles are so, au, po, co, lco and cu"},
	CKR_USER_ANOTHER_ALREADY_LOGGED_IN: {"CKR_USER_ANOTHER_ALREADY_LOGGED_IN", "log the other role out first"},
	CKR_PED_UNPLUGGED:                  {"CKR_PED_UNPLUGGED", "run `ped connect`"},
	CKR_PED_BUSY:                       {"CKR_PED_BUSY", "wait until the other HSM disconnects from the PED"},
	CKR_PED_FIRMWARE:                   {"CKR_PED_FIRMWARE", "update the PED's firmware"},
	CKR_PED_TIMEOUT:                    {"CKR_PED_TIMEOUT", "run the command again with somebody at the PED"},
	CKR_PED_REFUSED:                    {"CKR_PED_REFUSED", "ask the custodian at the PED; check the PED's mode"},
	CKR_RPV_NOT_INITIALIZED:            {"CKR_RPV_NOT_INITIALIZED", "connect with `ped connect -password`, or with a PED of this host by `ped connect -local`, then run `ped vector init`"},
	CKR_PED_AUTH_FAILED:                {"CKR_PED_AUTH_FAILED", "check the orange key (or the password), its PIN, and that it serves this HSM; see pedclient's log"},
	CKR_CALLBACK_ERROR:                 {"CKR_CALLBACK_ERROR", "install the same release on both sides; see pedclient's log"},
	CKR_RPV_INITIALIZED:                {"CKR_RPV_INITIALIZED", "connect without a password, with the orange key"},
	CKR_PED_KEY_FAULT:                  {"CKR_PED_KEY_FAULT", "run the command again and leave each key in until the PED asks for the next"},
	CKR_AUDIT_BROKEN:                   {"CKR_AUDIT_BROKEN", "keep the log as it is and find out who changed it"},
	CKR_HSM_ZEROIZED:                   {"CKR_HSM_ZEROIZED", "initialize the HSM and restore its content from a backup"},
	CKR_PEDSERVER_UNTRUSTED:            {"CKR_PEDSERVER_UNTRUSTED", "compare the certificates that are registered on both sides"},
}

// Name returns "CKR_PED_UNPLUGGED" and so on, or "" for a number without one.
func (c Code) Name() string { return codes[c].name }

// String returns "0x8000002e (CKR_PED_UNPLUGGED)", or the number alone.
func (c Code) String() string {
	if n := c.Name(); n != "" {
		return fmt.Sprintf("0x%x (%s)", uint32(c), n)
	}
	return fmt.Sprintf("0x%x", uint32(c))
}

// Hint returns the usual remedy in one line; it may be empty.
func (c Code) Hint() string { return codes[c].hint }

// Error is a Result other than CKR_OK.
type Error struct {
	Code Code
	Msg  string // what happened, for people; may be empty
	Hint string // what to do, in one line; may be empty
}

// Error returns the message, or the code's name without one.
func (e *Error) Error() string {
	switch {
	case e.Msg != "":
		return e.Msg
	case e.Code.Name() != "":
		return e.Code.Name()
	}
	return e.Code.String()
}
