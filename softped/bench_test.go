package softped

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
)

// bench is a PED with one operation, and an HSM and people played by the test.
// It runs in a synctest bubble: after settle nothing moves, so what the LCD
// shows then is what it shows.
type bench struct {
	t     *testing.T
	p     *PED
	keys  rpv.DirStore
	peer  channel.Identity
	in    chan protocol.Message
	out   chan protocol.Message
	ended chan error
	stop  context.CancelCauseFunc
}

const testSerial = "HSM-1001"

var ceremony = protocol.CeremonyID{7}

// inBubble runs f with a bench.
func inBubble(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, keys: rpv.DirStore{Dir: dir}, peer: channel.Identity{Serial: testSerial, IssuingFP: rpv.Fingerprint{1}, StartCounter: 5, Known: true}}
		p, err := New(Config{Serial: "PED-1", Keys: b.keys, State: &MemState{}, Cost: rpv.LightCost()})
		if err != nil {
			t.Fatal(err)
		}
		b.p = p
		defer b.takeOut()
		f(t, b)
	})
}

// takeOut lets go of the key: one that is held can not be removed everywhere.
func (b *bench) takeOut() { b.p.port.letGo() }

// start starts an operation, without the HSM's first message being checked by a
// session.
func (b *bench) start(m protocol.Message) {
	b.t.Helper()
	b.in, b.out, b.ended = make(chan protocol.Message, 8), make(chan protocol.Message, 8), make(chan error, 1)
	ctx, stop := context.WithCancelCause(context.Background())
	b.stop = stop
	b.p.mu.Lock()
	b.p.busy = true
	b.p.mu.Unlock()
	b.p.ui.own(true)
	o := &op{head: head{slot: slotLine(b.peer.Serial)}, dialog: &dialog{ui: b.p.ui, per: time.Minute}, ctx: ctx, pipe: benchPipe{b}, in: b.in,
		port: b.p.port, mem: b.p.mem, cost: b.p.cfg.Cost, log: slog.New(slog.DiscardHandler), rotated: func() {}, peer: b.peer, id: ceremony}
	go func() {
		err := o.run(m)
		b.p.ui.own(false)
		if err != nil {
			b.p.ui.show(o.notice(asStop(err)))
		} else {
			b.p.ui.show(o.donePage())
		}
		b.ended <- err
	}()
}

// benchPipe is the channel: it keeps the labels beside the secrets, so that a
// wrong one shows.
type benchPipe struct{ b *bench }

func (p benchPipe) send(m protocol.Message) error {
	if err := protocol.CheckMessage(m); err != nil {
		return err
	}
	if !m.Type().FromPED() {
		return errors.New("not a PED's message")
	}
	p.b.out <- m
	return nil
}

func labelled(l channel.Label, up bool) []byte { return fmt.Appendf(nil, "%v %v|", up, l) }

func (p benchPipe) wrap(l channel.Label, v []byte) ([]byte, error) {
	return append(labelled(l, true), v...), nil
}

func (p benchPipe) unwrap(l channel.Label, w []byte) (*secret.Buffer, error) {
	v, ok := bytes.CutPrefix(w, labelled(l, false))
	if !ok {
		return nil, channel.ErrLabel
	}
	return secret.Copy(v), nil
}

func label(op protocol.Op, role protocol.Role, set protocol.SetID, index uint8) channel.Label {
	return channel.Label{Ceremony: ceremony, Op: op, Role: role, Serial: testSerial, Set: set, Index: index}
}

// at checks the screen, once nothing moves any more.
func (b *bench) at(id string, parts ...string) *bench {
	b.t.Helper()
	synctest.Wait()
	s := b.p.Screen()
	if s.ID != id {
		b.t.Fatalf("screen %s, want %s:\n%s", s.ID, id, strings.Join(s.Boxed(), "\n"))
	}
	for _, part := range parts {
		if !strings.Contains(s.Text(), part) {
			b.t.Fatalf("screen %s lacks %q:\n%s", id, part, strings.Join(s.Boxed(), "\n"))
		}
	}
	return b
}

func (b *bench) press(keys string) *bench {
	b.t.Helper()
	for _, k := range keys {
		if err := b.p.Press(k); err != nil {
			b.t.Fatal(err)
		}
	}
	return b
}

func (b *bench) insert(name string) *bench {
	b.t.Helper()
	if err := b.p.Insert(name); err != nil {
		b.t.Fatal(err)
	}
	return b
}

// send is the HSM's next message.
func (b *bench) send(m protocol.Message) *bench { b.in <- m; return b }

// get takes the PED's next message, which must be an M.
func get[M protocol.Message](b *bench) M {
	b.t.Helper()
	synctest.Wait()
	select {
	case m := <-b.out:
		if want, ok := m.(M); ok {
			return want
		}
		b.t.Fatalf("PED sent %v", m.Type())
	default:
		s := b.p.Screen()
		b.t.Fatalf("PED sent nothing; it shows %s:\n%s", s.ID, strings.Join(s.Boxed(), "\n"))
	}
	panic("unreachable")
}

// quiet checks that the PED has sent nothing.
func (b *bench) quiet() *bench {
	b.t.Helper()
	synctest.Wait()
	select {
	case m := <-b.out:
		b.t.Fatalf("PED sent %v", m.Type())
	default:
	}
	return b
}

// over waits for the operation's end.
func (b *bench) over() error {
	b.t.Helper()
	synctest.Wait()
	select {
	case err := <-b.ended:
		return err
	default:
		b.t.Fatalf("operation still runs: %s", b.p.Screen().ID)
		return nil
	}
}

func (b *bench) overOK() {
	b.t.Helper()
	b.send(&protocol.End{Ceremony: ceremony, Result: protocol.EndOK})
	if err := b.over(); err != nil {
		b.t.Fatal(err)
	}
}

// stopped checks that the operation ended with a reason of the PED's side.
func (b *bench) stopped(reason protocol.CancelReason) *stop {
	b.t.Helper()
	err := b.over()
	var s *stop
	if !errors.As(err, &s) || s.reason != reason || s.fromHSM {
		b.t.Fatalf("ended with %v, want %v", err, reason)
	}
	return s
}

// share is what set and index of a test keyset hold.
func share(set protocol.SetID, index uint8) []byte {
	return bytes.Repeat([]byte{set[0] ^ index<<4}, rpv.SecretSize)
}

// make puts a key of a set into the folder: current, or pending on what is there.
func (b *bench) make(name string, kind protocol.KeyType, set protocol.SetID, index, m, n uint8, pin string, pending bool, issuers ...rpv.Fingerprint) *rpv.Key {
	b.t.Helper()
	k, err := b.keys.Load(name)
	if errors.Is(err, rpv.ErrNoKey) {
		k = rpv.NewBlank()
	} else if err != nil {
		b.t.Fatal(err)
	}
	if len(issuers) == 0 {
		issuers = []rpv.Fingerprint{b.peer.IssuingFP}
	}
	s, err := rpv.NewSet(rpv.SetParams{ID: set, Type: kind, Index: index, M: m, N: n, PIN: []byte(pin), Share: secret.Copy(share(set, index)), Cost: rpv.LightCost(), Issuer: issuers[0]})
	if err == nil {
		s.Issuers = issuers
		err = k.WritePending(s)
	}
	if err == nil && !pending {
		err = k.Promote(set)
	}
	if err == nil {
		err = b.keys.Save(name, k)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

// blank makes blank keys.
func (b *bench) blank(names ...string) *bench {
	b.t.Helper()
	for _, n := range names {
		if err := b.p.NewKey(n); err != nil {
			b.t.Fatal(err)
		}
	}
	return b
}

func (b *bench) load(name string) *rpv.Key {
	b.t.Helper()
	k, err := b.keys.Load(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

// writeShare is the HSM's order to write one share.
func writeShare(set protocol.SetID, copies, index, m, n uint8) *protocol.WriteShare {
	return &protocol.WriteShare{Ceremony: ceremony, Copy: copies, Index: index, M: m, N: n, Set: set,
		Wrapped: append(labelled(label(protocol.OpCreate, protocol.RoleSO, set, index), false), share(set, index)...)}
}

var (
	authSO   = &protocol.Authenticate{Ceremony: ceremony, Role: protocol.RoleSO, KeyType: protocol.KeySO, TimeoutSec: 200}
	createSO = &protocol.CreateKeyset{Ceremony: ceremony, Role: protocol.RoleSO, KeyType: protocol.KeySO, TimeoutSec: 200, MayReuse: true}
	setA     = protocol.SetID{0xa}
	setB     = protocol.SetID{0xb}
	setC     = protocol.SetID{0xc}
)

func use(u protocol.Use, r protocol.UseReason) *protocol.UseSet {
	return &protocol.UseSet{Ceremony: ceremony, Use: u, Reason: r}
}

func result(s protocol.ShareStatus, have, need uint8) *protocol.ShareResult {
	return &protocol.ShareResult{Ceremony: ceremony, Status: s, Have: have, Need: need}
}
