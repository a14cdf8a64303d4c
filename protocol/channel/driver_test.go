package channel_test

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"openped/protocol/channel"
	"openped/protocol/channel/channeltest"
)

// The drivers act as an HSM and a PED do: they answer each message as the state
// demands. A snapshot of one is a party that an attacker can try things on
// again and again.

type hsmDriver struct {
	u         *channel.U
	s         *channel.Session
	rpv       []byte
	released  int // sessions that Finish has returned
	unwrapped int // secrets that came out
}

func (d *hsmDriver) clone() party {
	c := *d
	c.u = d.u.Clone()
	if d.s != nil {
		c.s = d.s.Clone()
	}
	return &c
}

func (d *hsmDriver) feed(msg []byte) (out [][]byte, err error) {
	if d.s != nil {
		return nil, open(d.s, msg, &d.unwrapped)
	}
	if d.u.State() == channel.StateHello {
		proof, err := d.u.Reply(msg)
		if err != nil {
			return nil, err
		}
		begin, err := d.u.Begin()
		return [][]byte{proof, begin}, err
	}
	ev, err := d.u.Receive(msg)
	if err != nil || ev != channel.UAuth {
		return nil, err
	}
	s, confirm, err := d.u.Finish(d.rpv)
	if err != nil {
		return nil, err
	}
	d.s = s
	d.released++
	return [][]byte{confirm}, nil
}

func (d *hsmDriver) dead() bool {
	if d.s != nil {
		return d.s.Wiped()
	}
	return d.u.State() == channel.StateDead && d.u.Wiped()
}

func (d *hsmDriver) gave() int { return d.released + d.unwrapped }

type pedDriver struct {
	cfg       channel.VConfig
	in        channel.AuthInput
	v         *channel.V
	proven    bool
	prompted  bool
	confirmed int
	unwrapped int
}

func (d *pedDriver) clone() party {
	c := *d
	if d.v != nil {
		c.v = d.v.Clone()
		if s := d.v.Session(); s != nil {
			c.v.SetSession(s.Clone())
		}
	}
	return &c
}

func (d *pedDriver) feed(msg []byte) ([][]byte, error) {
	if d.v == nil {
		v, reply, err := channel.NewV(d.cfg, msg)
		if err != nil {
			return nil, err
		}
		d.v = v
		return [][]byte{reply}, nil
	}
	if s := d.v.Session(); s != nil {
		return nil, open(s, msg, &d.unwrapped)
	}
	ev, err := d.v.Receive(msg)
	if err != nil {
		return nil, err
	}
	switch ev {
	case channel.EvProven:
		d.proven = true
	case channel.EvBegin:
		d.prompted = true
		act, err := d.v.Activity()
		if err != nil {
			return nil, err
		}
		auth, err := d.v.Auth(d.in)
		return [][]byte{act, auth}, err
	case channel.EvConfirmed:
		d.confirmed++
	}
	return nil, nil
}

func (d *pedDriver) dead() bool {
	if d.v == nil {
		return true // NewV has returned nothing
	}
	if s := d.v.Session(); s != nil {
		return s.Wiped()
	}
	return d.v.State() == channel.StateDead && d.v.Wiped()
}

func (d *pedDriver) gave() int { return d.confirmed + d.unwrapped }

// open takes a record; a payload is a wrapped secret.
func open(s *channel.Session, rec []byte, unwrapped *int) error {
	kind, payload, err := s.Open(bytes.Clone(rec))
	if err != nil || kind != channel.KindData {
		return err
	}
	b, err := s.UnwrapSecret(testLabel, payload)
	if err != nil {
		return err
	}
	b.Destroy()
	*unwrapped++
	return nil
}

type party interface {
	clone() party
	feed(msg []byte) (out [][]byte, err error)
	dead() bool // and no key left
	gave() int  // sessions and secrets
}

// moment is a message of an honest run, with both parties as they were just
// before it was taken.
type moment struct {
	name     string
	msg      []byte
	to, from party
	receiver party // the receiver after it has taken the message
}

// memo makes chain verification cost nothing the second time.
type memo struct {
	channel.PeerVerifier
	mu   sync.Mutex
	seen map[string]memoResult
}

type memoResult struct {
	id  channel.Identity
	key *ecdh.PublicKey
	err error
}

func newMemo(v channel.PeerVerifier) *memo {
	return &memo{PeerVerifier: v, seen: map[string]memoResult{}}
}

func (m *memo) VerifyHSM(chain [][]byte, unknownOK bool) (channel.Identity, *ecdh.PublicKey, error) {
	k := fmt.Sprintf("%q%v", chain, unknownOK)
	m.mu.Lock()
	r, ok := m.seen[k]
	m.mu.Unlock()
	if !ok {
		r.id, r.key, r.err = m.PeerVerifier.VerifyHSM(chain, unknownOK)
		m.mu.Lock()
		m.seen[k] = r
		m.mu.Unlock()
	}
	return r.id, r.key, r.err
}

func (m *memo) VerifyRPK(cert []byte) (*ecdh.PublicKey, error) {
	k := string(cert)
	m.mu.Lock()
	r, ok := m.seen[k]
	m.mu.Unlock()
	if !ok {
		r.key, r.err = m.PeerVerifier.VerifyRPK(cert)
		m.mu.Lock()
		m.seen[k] = r
		m.mu.Unlock()
	}
	return r.key, r.err
}

// parties makes an HSM with its Hello and a PED that waits for it.
func (s *setup) parties(mode channel.Mode) (*hsmDriver, *pedDriver, []byte, error) {
	uc, vc := s.hsm.UConfig(mode), s.pki.VConfig(mode)
	uc.Verifier, vc.Verifier = newMemo(uc.Verifier), newMemo(vc.Verifier)
	ped := &pedDriver{cfg: vc, in: channel.AuthInput{Serial: channeltest.PEDSerial, Firmware: channeltest.PEDFirmware}}
	hsm := &hsmDriver{}
	switch mode {
	case channel.ModeRPV:
		ped.in, hsm.rpv = s.hsm.AuthInput(s.rpk), s.hsm.RPV
	case channel.ModeOTP:
		uc.Password, ped.in.Password = password, password
	}
	u, hello, err := channel.NewU(uc)
	hsm.u = u
	return hsm, ped, hello, err
}

// record runs a handshake and some traffic: a secret each way, activity, and
// close_notify each way.
func (s *setup) record(tb testing.TB, mode channel.Mode) []moment {
	tb.Helper()
	hsm, ped, hello, err := s.parties(mode)
	if err != nil {
		tb.Fatal(err)
	}
	var moments []moment
	deliver := func(name string, msg []byte, from, to party) [][]byte {
		m := moment{name: name, msg: bytes.Clone(msg), to: to.clone(), from: from.clone()}
		out, err := to.feed(msg)
		if err != nil {
			tb.Fatalf("%v: %s: %v", mode, name, err)
		}
		m.receiver = to.clone()
		moments = append(moments, m)
		return out
	}
	out := deliver("Hello", hello, hsm, ped)
	out = deliver("Reply", out[0], ped, hsm)
	deliver("HsmProof", out[0], hsm, ped)
	out = deliver("Begin", out[1], hsm, ped)
	deliver("Activity0", out[0], ped, hsm)
	out = deliver("PedAuth", out[1], ped, hsm)
	deliver("Confirm", out[0], hsm, ped)
	hs, ps := hsm.s, ped.v.Session()
	must := func(b []byte, err error) []byte {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return b
	}
	secret := bytes.Repeat([]byte{7}, 64)
	deliver("Data UV", must(hs.Seal(must(hs.WrapSecret(testLabel, secret)))), hsm, ped)
	deliver("Activity", must(ps.Activity()), ped, hsm)
	deliver("Data VU", must(ps.Seal(must(ps.WrapSecret(testLabel, secret)))), ped, hsm)
	deliver("Close VU", must(ps.Close()), ped, hsm)
	deliver("Close UV", must(hs.Close()), hsm, ped)
	return moments
}

// attack feeds msg to a snapshot and, while both sides believe it, carries on
// between it and the other side. Someone must refuse; then the alert ends the
// other side too, and nothing has been given.
func attack(m *moment, to party, msg []byte) error {
	victim, other := to.clone(), m.from.clone()
	gaveV, gaveO := victim.gave(), other.gave()
	type item struct {
		to  party
		msg []byte
	}
	queue := []item{{victim, msg}}
	for len(queue) > 0 {
		it := queue[0]
		queue = queue[1:]
		out, err := it.to.feed(it.msg)
		peer := other
		if it.to == other {
			peer = victim
		}
		if err == nil {
			for _, o := range out {
				queue = append(queue, item{peer, o})
			}
			continue
		}
		if !errors.Is(err, channel.ErrRefused) {
			return fmt.Errorf("error is not a refusal: %w", err)
		}
		if !it.to.dead() {
			return fmt.Errorf("alive, or keys left, after %w", err)
		}
		if _, err := it.to.feed(msg); !errors.Is(err, channel.ErrRefused) {
			return fmt.Errorf("takes messages after its end: %v", err)
		}
		if victim.gave() != gaveV || other.gave() != gaveO {
			return errors.New("something was released")
		}
		return endByAlert(peer)
	}
	return errBelieved
}

// errBelieved: both sides took everything. For a control, that is right.
var errBelieved = errors.New("nobody refused")

// control reports an attack's error, of one that is none and must succeed.
func control(err error) error {
	if errors.Is(err, errBelieved) {
		return nil
	}
	return fmt.Errorf("control: %w", errors.Join(err, errors.New("an honest message was refused")))
}

// endByAlert gives a party the alert that the other one sends.
func endByAlert(p party) error {
	if ped, ok := p.(*pedDriver); ok && ped.v == nil {
		return nil // no handshake yet
	}
	if _, err := p.feed(channel.AlertRecord()); !errors.Is(err, channel.ErrAlert) {
		return fmt.Errorf("the alert gives %v", err)
	}
	if !p.dead() {
		return errors.New("alive after the alert")
	}
	return nil
}

// each runs f for 0 … n-1 on all processors.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for w := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := w; i < n; i += runtime.GOMAXPROCS(0) {
				f(i)
			}
		})
	}
	wg.Wait()
}
