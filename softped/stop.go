package softped

import (
	"errors"

	"openped/protocol"
)

// stop ends an operation before its time. The HSM is told the reason, unless it
// is the one that ended it.
type stop struct {
	reason  protocol.CancelReason
	fromHSM bool
	reset   bool     // CLEAR was held: the session goes too
	show    []string // rows of the notice, or nil for the reason's own
	cause   error    // for the log, may be nil
}

// Ends that need no more words.
var (
	stopOperator = &stop{reason: protocol.CancelOperator}
	stopReset    = &stop{reason: protocol.CancelOperator, reset: true}
	stopTimeout  = &stop{reason: protocol.CancelTimeout}
	stopRefused  = &stop{reason: protocol.CancelRefused}
	stopSpent    = &stop{reason: protocol.CancelHost, fromHSM: true, show: []string{"Session used up.", "Begin again."}} // the HSM has got Close
)

func (s *stop) Error() string {
	msg := "operation ended: " + s.reason.String()
	if s.fromHSM {
		msg += " (HSM)"
	}
	if s.cause != nil {
		msg += ": " + s.cause.Error()
	}
	return msg
}

func (s *stop) Unwrap() error { return s.cause }

func faulty(cause error) *stop {
	return &stop{reason: protocol.CancelProtocol, cause: cause, show: []string{"The HSM broke the", "rules."}}
}

// asStop makes a stop of any error: what is not one already is ours to answer
// for.
func asStop(err error) *stop {
	var s *stop
	if errors.As(err, &s) {
		return s
	}
	return &stop{reason: protocol.CancelHost, cause: err}
}

// notice is the page that an operation ends with.
func (h head) notice(s *stop) page {
	switch {
	case s.reason == protocol.CancelTimeout && !s.fromHSM:
		return h.timeoutPage()
	case s.show != nil:
		return h.failedPage(s.show...)
	case s.fromHSM:
		return h.failedPage("Ended by the HSM.")
	case s.reason == protocol.CancelOperator, s.reason == protocol.CancelRefused:
		return h.failedPage("Cancelled.")
	}
	return h.failedPage("Failed.")
}
