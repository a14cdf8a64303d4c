package channel

import (
	"errors"
	"fmt"
)

var (
	// ErrRefused is what every refusal of ours is (errors.Is); the caller sends
	// AlertRecord and closes. *RefusedError has the cause, for the local log.
	ErrRefused = errors.New("channel refused")
	// ErrAlert is returned when the peer sent its alert: nothing is sent back.
	ErrAlert = errors.New("the other side refused the channel")
	// ErrPedCancelled is what a *CancelledError is (errors.Is).
	ErrPedCancelled = errors.New("cancelled at the PED")
	// ErrExpired is returned when a session has carried what it may (Limits). The
	// session can still be closed.
	ErrExpired = errors.New("session has reached its limit")
	// ErrClosed is returned for records after close_notify, by the direction.
	ErrClosed = errors.New("session is closed")
)

// Causes of a RefusedError that a caller may want to tell apart in its log, its
// console message or its counters. None of them ever reaches the peer.
var (
	// ErrConfirmation: a key-confirmation tag is wrong: wrong RPV, wrong password,
	// or somebody in between.
	ErrConfirmation = errors.New("key confirmation does not verify")
	// ErrPeerIdentity: the verifier refused the peer's certificates, or what they
	// say is not what the peer says.
	ErrPeerIdentity = errors.New("peer identity is not acceptable")
	// ErrMode: the mode is not served.
	ErrMode = errors.New("mode is not served here")
	// ErrVersion: no common version, or not ours.
	ErrVersion = errors.New("no common channel version")
	// ErrOwnKey: a public key or share of ours came back.
	ErrOwnKey = errors.New("own public key came back")
	// ErrSequence: a message that is not the next one in this state.
	ErrSequence = errors.New("message out of order")
	// ErrRecord: a record's tag, sequence number or padding is wrong.
	ErrRecord = errors.New("record does not verify")
	// ErrLabel: a wrapped secret that does not unwrap, or under another label.
	ErrLabel = errors.New("wrapped secret is not the one expected")
	// ErrDead: an earlier failure ended this object.
	ErrDead = errors.New("channel has ended")
	// ErrConfig: the caller's own input is unusable.
	ErrConfig = errors.New("unusable channel configuration")
)

// RefusedError says why we refused, for the local log. errors.Is finds both
// ErrRefused and the cause.
type RefusedError struct {
	Stage string // the state the failure happened in: a State, or "session"
	Cause error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("channel refused (%s): %v", e.Stage, e.Cause)
}

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Cause }

// Is makes every RefusedError an ErrRefused.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// CancelledError is returned when the PED gave up before PedAuth: its operator
// cancelled, or nobody acted. Reason is a protocol cancel reason, 1 to 255.
type CancelledError struct{ Reason uint8 }

func (e *CancelledError) Error() string {
	return fmt.Sprintf("%v (reason %d)", ErrPedCancelled, e.Reason)
}

// Is makes every CancelledError an ErrPedCancelled.
func (e *CancelledError) Is(target error) bool { return target == ErrPedCancelled }
