package softped

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
)

// hsmWait bounds the wait for the HSM's next message within an operation. The
// HSM, too, may be waiting: for a disk, or for the PED of another quorum member.
const hsmWait = 2 * time.Minute

// pipe is what an operation needs of the session it runs in.
type pipe interface {
	send(protocol.Message) error
	wrap(channel.Label, []byte) ([]byte, error)
	unwrap(channel.Label, []byte) (*secret.Buffer, error)
}

// op is one operation with its dialogue. It runs in a goroutine of its own.
type op struct {
	head
	*dialog
	ctx  context.Context
	pipe pipe
	in   <-chan protocol.Message
	port *port
	mem  *memory
	cost rpv.ArgonParams
	log  *slog.Logger
	live protocol.SetID // the role's set in force at this HSM, as far as it has said

	rotated func() // called when the RPV has changed: the orange cache is stale

	peer channel.Identity
	id   protocol.CeremonyID
	role protocol.Role
	kind protocol.KeyType
}

// next waits for the HSM's next message, which must be an M. An End that says
// "failed" and a Cancel end the operation wherever they come.
func next[M protocol.Message](o *op) (M, error) {
	var none M
	late := time.NewTimer(hsmWait)
	defer late.Stop()
	var m protocol.Message
	select {
	case m = <-o.in: // what came before the end still counts
	default:
		select {
		case m = <-o.in:
		case <-late.C:
			return none, &stop{reason: protocol.CancelTimeout, show: []string{"No answer from HSM."}}
		case <-o.ctx.Done():
			return none, context.Cause(o.ctx)
		}
	}
	if want, ok := m.(M); ok {
		return want, nil
	}
	if end, ok := m.(*protocol.End); ok && end.Result == protocol.EndFailed {
		return none, &stop{reason: protocol.CancelHost, fromHSM: true, show: []string{"Failed."}}
	}
	return none, faulty(errors.New("message does not belong here: " + m.Type().String()))
}

// end waits for the HSM to close the operation.
func (o *op) end() error {
	m, err := next[*protocol.End](o)
	if err == nil && m.Result != protocol.EndOK {
		err = &stop{reason: protocol.CancelHost, fromHSM: true, show: []string{"Failed."}}
	}
	return err
}

func (o *op) label(kind protocol.Op, set protocol.SetID, index uint8) channel.Label {
	return channel.Label{Ceremony: o.id, Op: kind, Role: o.role, Serial: o.peer.Serial, Set: set, Index: index}
}

// present shows ask until a person has inserted a key and pressed ENTER, and
// accept has taken it: accept returns the notice to show instead, if it does
// not want the key. No notice counts against anybody, and the HSM hears nothing
// of the key.
func (o *op) present(ask page, accept func(*held) (notice *page)) (*held, error) {
	for {
		o.show(ask)
		if err := o.enter(o.ctx); err != nil {
			return nil, err
		}
		h, err := o.port.load()
		if err != nil {
			ask = o.loadFault(err)
			continue
		}
		notice := accept(h)
		if notice == nil {
			return h, nil
		}
		h.destroy()
		ask = *notice
	}
}

func (o *op) loadFault(err error) page {
	if errors.Is(err, errNoKey) {
		return o.noKeyPage()
	}
	o.log.Warn("PED key not readable", "error", err)
	if errors.Is(err, errPulled) {
		return o.pulledPage()
	}
	return o.keyFaultPage("PED Key unreadable.", "Insert another one.")
}

func (o *op) pulledPage() page {
	return o.keyFaultPage("PED Key was removed.", "Insert it again.")
}

// acceptKind takes keys that hold a set of the wanted kind.
func (o *op) acceptKind(h *held) *page {
	cur, pend := h.key.Sets(o.kind)
	if cur != nil || pend != nil {
		return nil
	}
	what := isBlank
	if !h.key.Blank() {
		what = isFor(h.key.Type)
	}
	p := o.wrongKeyPage(what, o.kind)
	return &p
}

// reinsert asks for a key that was pulled too early, and reads it again.
func (o *op) reinsert(old *held, fault page) (*held, error) {
	serial := old.key.Serial
	old.destroy()
	return o.present(fault, func(h *held) *page {
		if h.key.Serial != serial {
			p := o.wrongKeyPage(isNotSame, o.kind)
			return &p
		}
		return o.acceptKind(h)
	})
}

// store changes the key in the port and makes the change durable. If the key
// was pulled or cannot be written, its holder may insert it again, and change is
// applied to what is on it then. It returns the key as it is in the port.
func (o *op) store(h *held, change func(*rpv.Key) (changed bool, err error)) (*held, error) {
	for {
		changed, err := change(h.key)
		if err != nil {
			h.destroy()
			return nil, err
		}
		if !changed {
			return h, nil
		}
		err = o.port.save(h)
		if err == nil {
			return h, nil
		}
		o.log.Warn("PED key not written", "error", err)
		fault := o.keyFaultPage("PED Key can not be", "written. Try again.")
		if errors.Is(err, errPulled) {
			fault = o.pulledPage()
		}
		if h, err = o.reinsert(h, fault); err != nil {
			return nil, err
		}
	}
}

// checkCounter refuses an HSM identity older than one a key has seen.
func (o *op) checkCounter(k *rpv.Key) error {
	for _, s := range []*rpv.Set{k.Current, k.Pending} {
		if s.Lists(o.peer.IssuingFP) && o.peer.StartCounter < s.Counters[o.peer.IssuingFP] {
			return oldIdentity(rpv.ErrCounter)
		}
	}
	return nil
}

func oldIdentity(cause error) *stop {
	return &stop{reason: protocol.CancelRefused, cause: cause, show: []string{"HSM shows an old", "identity. Refused."}}
}

// counter keeps the HSM's start counter on a key that lists it.
func (o *op) counter(k *rpv.Key) (changed bool, err error) {
	fp := o.peer.IssuingFP
	for _, s := range []*rpv.Set{k.Current, k.Pending} {
		if s.Lists(fp) && s.Counters[fp] != o.peer.StartCounter {
			changed = true
		}
	}
	if !changed {
		return false, nil
	}
	if err := k.CheckCounter(fp, o.peer.StartCounter); err != nil {
		return false, oldIdentity(err)
	}
	return true, nil
}

// unmask asks for the PIN of set, if it has one, and returns the share. The key
// has to stay in the port for it.
func (o *op) unmask(h *held, set *rpv.Set, pinID string, lastTry bool) (*secret.Buffer, *held, error) {
	for {
		pin, err := o.pin(set, pinID, lastTry)
		if err != nil {
			return nil, h, err
		}
		if o.port.still(h) {
			share, err := set.Unmask(pin.digits())
			pin.destroy()
			if err != nil {
				return nil, h, &stop{reason: protocol.CancelKeyFault, cause: err}
			}
			return share, h, nil
		}
		pin.destroy()
		again, err := o.reinsert(h, o.pulledPage())
		if err != nil {
			return nil, nil, err
		}
		h = again
		fresh := setByID(h.key, set.ID)
		if fresh == nil {
			return nil, h, &stop{reason: protocol.CancelKeyFault, cause: errReadBack}
		}
		set = fresh
	}
}

func setByID(k *rpv.Key, id protocol.SetID) *rpv.Set {
	for _, s := range []*rpv.Set{k.Current, k.Pending} {
		if s != nil && s.ID == id {
			return s
		}
	}
	return nil
}

// pin reads the PIN of a set, an empty one if it has none. ENTER with fewer
// digits than any PIN has is ignored: it would only waste an attempt.
func (o *op) pin(set *rpv.Set, id string, lastTry bool) (*entry, error) {
	if !set.HasPIN {
		return newEntry(0), nil
	}
	draw := func(n int) page {
		p := o.pinPage(id, n, set.M > 1)
		if lastTry {
			p = p.lastTry()
		}
		return p
	}
	o.show(draw(0))
	return o.readAtLeast(o.ctx, rpv.MinPIN, rpv.MaxPIN, draw)
}
