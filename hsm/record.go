package hsm

import (
	"openped/internal/audit"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// log appends to the HSM's audit log. It waits for the disk, never for a person.
func (s *Slot) log(r audit.Record) error {
	if s.o.Audit == nil {
		return nil
	}
	r.Slot, r.HSM = s.o.Slot, s.id.Serial
	r.Caller = r.Caller[:min(len(r.Caller), audit.MaxField)]
	r.Result = r.Result[:min(len(r.Result), audit.MaxField)]
	r.Keys = r.Keys[:min(len(r.Keys), audit.MaxKeys)]
	if err := s.o.Audit.Append(r); err != nil {
		s.o.Log.Error("audit record could not be written", "event", r.Event, "err", err)
		return errorf(hsmapi.CKR_DEVICE_ERROR, "check the disk of the audit log", "the audit log cannot be written%s", because(err)).with(err)
	}
	return nil
}

// log adds what the ceremony knows. Once people are at work a record that cannot
// be written stops nothing: it would leave keys half written.
func (c *ceremony) log(r audit.Record) {
	_ = c.append(r)
}

func (c *ceremony) append(r audit.Record) error {
	r.Ceremony = c.id.String() // its operations at the PED have the same but for the last byte
	if r.Role == "" && c.role != 0 {
		r.Role = c.role.String()
	}
	r.Caller = c.caller
	if r.PED == "" && c.conn != nil {
		r.PED = c.conn.name()
	}
	return c.slot.log(r)
}

// start records that a ceremony begins. Without a record there is none.
func (c *ceremony) start() error {
	return c.append(audit.Record{Event: c.name, Result: "begin"})
}

// key records a PED key that was shown or written.
func (o *operation) key(event string, key protocol.KeySerial, set protocol.SetID) {
	if len(o.cer.keys) < audit.MaxKeys {
		o.cer.keys = append(o.cer.keys, key.String())
	}
	o.cer.log(audit.Record{Event: event, Role: o.role.String(), Keys: []string{key.String()}, Set: set.String()})
}

// finish records the outcome with all keys seen, and ends the ceremony.
func (c *ceremony) finish(err error) error {
	r := audit.Record{Event: c.name, Result: "done", Keys: c.keys}
	if !c.set.IsZero() {
		r.Set = c.set.String()
	}
	if err != nil {
		r.Result = outcome(err)
	}
	c.log(r)
	return c.end(err)
}

// outcome is what a record says of a failure.
func outcome(err error) string {
	e := toError(err)
	return "failed: " + e.Code.Name() + ": " + e.Msg
}
