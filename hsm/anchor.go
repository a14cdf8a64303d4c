package hsm

import (
	"errors"

	"openped/internal/audit"
	"openped/protocol/hsmapi"
)

// The state remembers the newest audit record, so that a log that was cut,
// removed or written anew while the HSM was down is noticed at the next start.
// Records are on disk before a state names them: no crash makes a false alarm.

// anchored is a driver whose every write takes the audit log's head along.
type anchored struct {
	Driver
	log *audit.Log
}

// Update implements Driver.
func (a anchored) Update(f func(*State) error) error {
	return a.Driver.Update(func(st *State) error {
		if err := f(st); err != nil {
			return err
		}
		st.Audit = a.log.Head()
		return nil
	})
}

// anchor writes the state if the log has grown since. It changes nothing else.
func (s *Slot) anchor() error {
	if s.o.Audit == nil {
		return nil
	}
	var known audit.Head
	s.d.View(func(st *State) { known = st.Audit })
	if known == s.o.Audit.Head() {
		return nil
	}
	return s.d.Update(func(*State) error { return nil })
}

// anchorOrWarn is anchor where a failure stops nothing: the next write repairs it.
func (s *Slot) anchorOrWarn() {
	if err := s.anchor(); err != nil {
		s.o.Log.Warn("the state does not name the newest audit record", "err", err)
	}
}

// checkAudit compares the log with what the state remembers of it. A difference
// goes into the log, for good: an HSM that did not start would only hide it.
func (s *Slot) checkAudit() error {
	if s.o.Audit == nil {
		return nil
	}
	var known audit.Head
	s.d.View(func(st *State) { known = st.Audit })
	err := s.o.Audit.Check(known)
	if err == nil {
		return nil
	}
	var ce *audit.ChainError
	if !errors.As(err, &ce) {
		return errorf(hsmapi.CKR_DEVICE_ERROR, "check the disk of the audit log", "the audit log cannot be read").with(err)
	}
	s.o.Log.Error("the audit log is not the one this HSM has written", "fault", ce, "known", known.String())
	return s.log(audit.Record{Event: audit.EventMismatch, Result: ce.Error() + "; record known: " + known.String()})
}
