package hsm

import (
	"openped/internal/secret"
	"openped/protocol"
	"openped/rpv"
	"slices"
)

// quorum is what has been presented of one keyset.
type quorum struct {
	need   int
	shares []rpv.Share
	keys   []protocol.KeySerial
}

// add takes a share over, unless its index or its key has been there.
func (q *quorum) add(sh *protocol.Share, value *secret.Buffer) bool {
	if q.has(sh.Index) || q.hasKey(sh.Key) {
		value.Destroy()
		return false
	}
	q.shares = append(q.shares, rpv.Share{Index: sh.Index, Value: value})
	q.keys = append(q.keys, sh.Key)
	return true
}

func (q *quorum) has(index uint8) bool {
	return slices.ContainsFunc(q.shares, func(s rpv.Share) bool { return s.Index == index })
}

func (q *quorum) full() bool { return len(q.shares) >= q.need }

func (q *quorum) result(id protocol.CeremonyID, status protocol.ShareStatus) *protocol.ShareResult {
	return &protocol.ShareResult{Ceremony: id, Status: status, Have: uint8(len(q.shares)), Need: uint8(q.need)}
}

func (q *quorum) destroy() {
	for _, s := range q.shares {
		s.Value.Destroy()
	}
	q.shares, q.keys = nil, nil
}

func (q *quorum) hasKey(k protocol.KeySerial) bool { return slices.Contains(q.keys, k) }

// Which of a key's two sets is live is the HSM's to say, before a PIN is asked.
//
//	current  pending    answer                    the PED then
//	live     dropped    current                   erases pending, reads current
//	live     none       current                   reads current
//	live     else       current, unknown set      reads current, keeps pending: another HSM may have committed it
//	any      live       pending                   promotes pending, reads it
//	else     any        current, unknown set      reads current: a key of another set
//	none     else       pending, unknown set      reads pending without promoting it: likewise

// present waits for a key that the quorum does not have yet, answers which of
// its sets to read, and returns that set's id. A foreign key is read, too: its
// share counts as a failed login.
func (o *operation) present(q *quorum, live protocol.SetID) (*protocol.KeyPresented, protocol.SetID, error) {
	for {
		kp, err := expect[*protocol.KeyPresented](o)
		if err != nil {
			return nil, protocol.SetID{}, err
		}
		set, use := kp.Current, &protocol.UseSet{Ceremony: o.id, Use: protocol.UseCurrent}
		switch {
		case kp.Pending == live:
			set, use.Use = live, protocol.UsePending
		case kp.Current == live && (kp.Pending.IsZero() || o.cer.slot.wasDropped(kp.Pending)):
		case kp.Current.IsZero():
			set, use.Use, use.Reason = kp.Pending, protocol.UsePending, protocol.ReasonUnknownSet
		default:
			use.Reason = protocol.ReasonUnknownSet
		}
		// The index is the current set's unless there is none: of a pending set
		// next to a current one only the share will tell.
		known := use.Use == protocol.UseCurrent || kp.Current.IsZero()
		same := q.hasKey(kp.Key) || set == live && known && q.has(kp.Index)
		if same {
			use.Use, use.Reason = protocol.UseRefuse, protocol.ReasonSameKey
		}
		o.key("key shown", kp.Key, set)
		if err := o.send(use); err != nil {
			return nil, protocol.SetID{}, err
		}
		if !same {
			return kp, set, nil
		}
		if err := o.refuse(); err != nil {
			return nil, protocol.SetID{}, err
		}
	}
}

// wasDropped reports whether a set was pending on this HSM and never became
// live.
func (s *Slot) wasDropped(set protocol.SetID) (dropped bool) {
	s.d.View(func(st *State) { dropped = slices.Contains(st.Dropped, set) })
	return dropped
}
