package hsm

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"openped/internal/audit"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

// Codes that errors of this package have.
const (
	codeArguments = hsmapi.CKR_ARGUMENTS_BAD
	codeFirmware  = hsmapi.CKR_PED_FIRMWARE
	codeUnplugged = hsmapi.CKR_PED_UNPLUGGED
	keyFault      = hsmapi.CKR_PED_KEY_FAULT
)

const hintConnect = "run `ped connect`"

// Error is what every method of Slot returns: a code for programs, a message of
// one line, and a hint what to do.
type Error struct {
	Code hsmapi.Code
	Msg  string
	Hint string
	Err  error // the cause, for the local log; may be nil
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func errorf(code hsmapi.Code, hint, format string, args ...any) *Error {
	if hint == "" {
		hint = code.Hint()
	}
	return &Error{Code: code, Hint: hint, Msg: fmt.Sprintf(format, args...)}
}

func (e *Error) with(cause error) *Error { e.Err = cause; return e }

// ErrNotConnected is in the error of a ceremony that found no PED connected.
var ErrNotConnected = errors.New("no PED is connected to this HSM")

// Causes inside a ceremony; toError makes an *Error of them.
var (
	errSilent   = errors.New("the PED fell silent")
	errProtocol = errors.New("the PED broke the protocol")
	errClosed   = errors.New("the PED ended the session")
)

// cancelled is a Cancel from the PED: the operation is over, the session lives.
type cancelled struct{ reason protocol.CancelReason }

func (c cancelled) Error() string { return "cancelled at the PED: " + c.reason.String() }

// lost is the end of the frame connection.
type lost struct{ cause error }

func (l lost) Error() string { return "the connection to the PED is gone" }
func (l lost) Unwrap() error { return l.cause }

// driverError says that the state could not be made durable.
func driverError(err error) *Error {
	return errorf(hsmapi.CKR_DEVICE_ERROR, "check the disk and the permissions of the HSM's state file",
		"the HSM could not store its state%s", because(err)).with(err)
}

// because is what the system says went wrong, to follow a sentence: a full disk
// is another matter than a wrong permission. It may be empty.
func because(err error) string {
	var no syscall.Errno
	switch {
	case errors.As(err, &no):
		return ": " + no.Error()
	case errors.Is(err, audit.ErrTouched):
		return ": " + audit.ErrTouched.Error()
	}
	return ""
}

// toError makes an *Error of whatever ended a ceremony.
func toError(err error) *Error {
	if err == nil {
		return nil
	}
	var done *Error
	if errors.As(err, &done) {
		return done
	}
	var c cancelled
	if errors.As(err, &c) {
		return cancelError(c.reason).with(err)
	}
	var ce *channel.CancelledError
	if errors.As(err, &ce) {
		return cancelError(protocol.CancelReason(ce.Reason)).with(err)
	}
	var l lost
	switch {
	case errors.As(err, &l):
		return errorf(codeUnplugged, hintConnect, "%v", l).with(err)
	case errors.Is(err, errSilent):
		return errorf(codeUnplugged, hintConnect, "%v", errSilent).with(err)
	case errors.Is(err, context.Canceled):
		return errorf(hsmapi.CKR_FUNCTION_CANCELED, "", "cancelled").with(err)
	case errors.Is(err, context.DeadlineExceeded):
		return errorf(hsmapi.CKR_PED_TIMEOUT, "", "no answer in time").with(err)
	case errors.Is(err, channel.ErrExpired):
		return errorf(hsmapi.CKR_FUNCTION_CANCELED, "run the command again: it gets a new session by itself",
			"the session with the PED reached its limit in the middle of the command").with(err)
	case errors.Is(err, errClosed), errors.Is(err, channel.ErrClosed):
		return errorf(codeUnplugged, "look at the PED, and run the command again", "%v", errClosed).with(err)
	case errors.Is(err, channel.ErrAlert):
		return errorf(hsmapi.CKR_PED_AUTH_FAILED, "look at the PED: is it in the right mode, does its orange key serve this HSM, does it know this HSM's origin?",
			"the PED refused this HSM").with(err)
	case errors.Is(err, channel.ErrRefused):
		return errorf(hsmapi.CKR_PED_AUTH_FAILED, "", "the channel to the PED was refused").with(err)
	case errors.Is(err, errProtocol):
		return errorf(hsmapi.CKR_CALLBACK_ERROR, "", "%v", errProtocol).with(err)
	}
	return errorf(hsmapi.CKR_GENERAL_ERROR, "", "internal error").with(err)
}

func cancelError(r protocol.CancelReason) *Error {
	switch r {
	case protocol.CancelOperator:
		return errorf(hsmapi.CKR_FUNCTION_CANCELED, "", "cancelled at the PED")
	case protocol.CancelTimeout:
		return errorf(hsmapi.CKR_PED_TIMEOUT, "", "nobody acted at the PED in time")
	case protocol.CancelBusy:
		return errorf(hsmapi.CKR_PED_BUSY, "somebody uses the PED's menu: leave it and run the command again", "the PED is busy")
	case protocol.CancelKeyFault:
		return errorf(hsmapi.CKR_PED_KEY_FAULT, "", "a PED key was pulled, unreadable, or did not fit")
	case protocol.CancelRefused:
		return errorf(hsmapi.CKR_PED_REFUSED, "", "the custodian said no at the PED")
	case protocol.CancelProtocol:
		return errorf(hsmapi.CKR_CALLBACK_ERROR, "", "the PED could not follow this HSM")
	}
	return errorf(hsmapi.CKR_FUNCTION_CANCELED, "", "cancelled by the PED")
}
