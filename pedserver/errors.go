package pedserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"openped/certs/linkid"
	"openped/protocol"
)

// fault is an error of this package with its remedy.
type fault struct{ text, hint string }

func (f *fault) Error() string { return f.text }

// Hint returns the remedy in one line.
func (f *fault) Hint() string { return f.hint }

// What can be wrong with a command about an appliance.
var (
	// ErrLegacy: the server waits for HSM hosts to call.
	ErrLegacy error = &fault{"pedserver runs in legacy mode: HSM hosts call it, it calls nobody", "stop it, and start it with -name NAME of a registered appliance"}
	// ErrNotRegistered: there is no such registration.
	ErrNotRegistered error = &fault{"is not registered", "see -appliance list, and register it with -appliance register"}
	// ErrNotStarted: it is registered, but not taken up by this process.
	ErrNotStarted error = &fault{"is not started", "take it up with -mode start -name NAME"}
	// ErrAdded: it is taken up already.
	ErrAdded error = &fault{"is started already", "make the link with -mode connect -name NAME"}
	// ErrNoIdentity: without a certificate of its own it can call nobody.
	ErrNoIdentity error = &fault{"this host has no TLS identity", "make one with -regen -commonname NAME, and register the certificate at the appliance"}
	// ErrDisconnected: somebody has ended the tries.
	ErrDisconnected error = &fault{"disconnected by another command", "run -mode connect again"}
	// ErrStopping: the server does not serve any more.
	ErrStopping error = &fault{"pedserver is stopping", "start it again"}
)

// ConnectError says that the tries to make a link have failed.
type ConnectError struct {
	Name, Address string
	Tries         int
	Err           error // the last cause
}

// Error implements error.
func (e *ConnectError) Error() string {
	times := "tries"
	if e.Tries == 1 {
		times = "try"
	}
	return fmt.Sprintf("no link to appliance %s at %s after %d %s: %s", e.Name, e.Address, e.Tries, times, reason(e.Err))
}

// Unwrap returns the last cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// Hint returns the remedy in one line.
func (e *ConnectError) Hint() string {
	var dns *net.DNSError
	var refused *linkid.RefusedError
	var pe protocol.Error
	switch {
	case errors.As(e.Err, &dns):
		return "check the host name in the appliance's registration, or register its address"
	case errors.As(e.Err, &refused), errors.Is(e.Err, linkid.ErrClosedEarly):
		return "compare the certificates registered on both sides with -appliance list here and `pedclient -pedserver list` there"
	case isRefused(e.Err):
		return "start pedclient there, and compare its listening port with the registration"
	case errors.As(e.Err, &pe):
		return pe.Hint()
	}
	return "check the address, and that no firewall on the way blocks the port"
}

// reason says what went wrong with a link in the words of this program, where it
// has some.
func reason(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &dns):
		return "the host name is not known"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case isRefused(err):
		return "nobody listens there"
	case errors.Is(err, linkid.ErrClosedEarly):
		return linkid.ErrClosedEarly.Error()
	case errors.As(err, &op):
		return op.Err.Error()
	case isEnd(err):
		return "the other side hung up"
	}
	return err.Error()
}

// logged is reason for the log, which has more about certificates.
func logged(err error) any {
	if refused, ok := errors.AsType[*linkid.RefusedError](err); ok {
		return refused
	}
	return reason(err)
}
