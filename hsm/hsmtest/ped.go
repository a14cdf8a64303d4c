package hsmtest

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"

	"openped/certs"
	"openped/hsm"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
)

// Keyring is the PED keys that exist, by name. It outlives PEDs. Take makes a
// key if there is none of that name.
type Keyring struct {
	mu   sync.Mutex
	keys map[string]*rpv.Key
}

// Take returns a copy of a key, as a PED reads it.
func (r *Keyring) Take(name string) *rpv.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		r.keys = map[string]*rpv.Key{}
	}
	if r.keys[name] == nil {
		r.keys[name] = rpv.NewBlank()
	}
	return r.keys[name].Clone()
}

// Save stores a key whole.
func (r *Keyring) Save(name string, k *rpv.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[name] = k.Clone()
}

// Clone returns another keyring with the same keys on it.
func (r *Keyring) Clone() *Keyring {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &Keyring{keys: map[string]*rpv.Key{}}
	for name, k := range r.keys {
		c.keys[name] = k.Clone()
	}
	return c
}

// Copy makes a bitwise copy of a key with a serial of its own: a duplicate, or a
// thief's.
func (r *Keyring) Copy(from, to string) {
	k := r.Take(from)
	k.Serial = rpv.NewBlank().Serial
	r.Take(to)
	r.Save(to, k)
}

// Insert is a key put into the PED with the PIN its custodian will type.
type Insert struct{ Key, PIN string }

// Choice is what custodians answer in one CreateKeyset.
type Choice struct {
	Reuse      bool
	M, N       uint8
	Duplicates int
}

// PED is a PED without screens. Fields are set before Serve; methods may be
// called any time. What it is asked for and not told in advance it waits for,
// showing activity, like a PED with nobody there.
type PED struct {
	Serial, Firmware string
	Roots            []*x509.Certificate
	Pair             bool // serves otp and unknown roots too
	Local            bool // serves local and nothing else
	Keys             *Keyring
	// Hook, if set, is called before each message is sent and may replace it, or
	// return nil to say nothing. It is how a test breaks the protocol.
	Hook func(m protocol.Message) protocol.Message
	// OnMessage, if set, sees each message from the HSM before it is handled;
	// false makes the PED die, its keys as they are.
	OnMessage func(m protocol.Message) bool
	// OnSave, if set, is called before a key is stored; false makes the PED die
	// before (the key keeps its old content).
	OnSave func(name string) bool
	// Silent: no activity records (a dead firmware behind a live wire).
	Silent bool
	// Limits of sessions; zero means the defaults.
	Limits channel.Limits
	// Auth, if set, may replace what the orange keys say in the handshake.
	Auth func(*channel.AuthInput)

	mu        sync.Mutex
	wake      chan struct{}
	inserts   []Insert
	choices   []Choice
	confirms  []bool
	passwords []string
	cancel    protocol.CancelReason
	seen      []protocol.Message
	proven    int
	sessions  int
	cached    *orange
	cache     bool
	counters  map[[64]byte]uint64
	served    *session // the one that said Hello last: custodians act for no other
	cut       int      // frames until the connection is cut; 0: never
	frames    int
}

type orange struct {
	issuer [64]byte
	set    protocol.SetID
	rpv    *secret.Buffer
	rpk    *rpv.RPK
}

// NewPED returns a current PED that knows the given origin roots.
func NewPED(keys *Keyring, roots ...*x509.Certificate) *PED {
	return &PED{Serial: "PED0001", Firmware: "2.9.0", Roots: roots, Keys: keys, cache: true,
		wake: make(chan struct{}), counters: map[[64]byte]uint64{}}
}

// change changes what the custodians will do and wakes the PED.
func (p *PED) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.wake)
	p.wake = make(chan struct{})
}

// Insert queues keys.
func (p *PED) Insert(keys ...Insert) { p.change(func() { p.inserts = append(p.inserts, keys...) }) }

// Choose queues what to answer in the next CreateKeyset.
func (p *PED) Choose(c ...Choice) { p.change(func() { p.choices = append(p.choices, c...) }) }

// Answer queues what to answer to the next Confirm.
func (p *PED) Answer(yes bool) { p.change(func() { p.confirms = append(p.confirms, yes) }) }

// Type queues a one-time password.
func (p *PED) Type(digits string) { p.change(func() { p.passwords = append(p.passwords, digits) }) }

// CancelNext has the PED cancel when it next waits for a person and nothing is
// queued.
func (p *PED) CancelNext(r protocol.CancelReason) { p.change(func() { p.cancel = r }) }

// ForgetOrange empties the orange cache, and with keep false keeps it empty.
func (p *PED) ForgetOrange(keep bool) { p.change(func() { p.cached, p.cache = nil, keep }) }

// Clear forgets what custodians were going to do.
func (p *PED) Clear() {
	p.change(func() { p.inserts, p.choices, p.confirms, p.passwords, p.cancel = nil, nil, nil, nil, 0 })
}

// Messages returns what the HSM has sent.
func (p *PED) Messages() []protocol.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]protocol.Message(nil), p.seen...)
}

// Proven returns how many handshakes have got as far as HsmProof, Sessions how
// many have been completed.
func (p *PED) Proven() int   { p.mu.Lock(); defer p.mu.Unlock(); return p.proven }
func (p *PED) Sessions() int { p.mu.Lock(); defer p.mu.Unlock(); return p.sessions }

// Connect serves a new connection in a goroutine and returns its HSM end.
func (p *PED) Connect() *Conn {
	a, b := Pipe()
	tap := func(f []byte) []byte {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.frames++
		if p.cut == 0 || p.frames < p.cut {
			return f
		}
		a.Cut()
		return nil
	}
	a.Tap, b.Tap = tap, tap
	go p.Serve(b)
	return a
}

// CutAt cuts the connection instead of its n-th frame from now, in either
// direction; 0 never does. Frames returns how many there have been since.
func (p *PED) CutAt(n int) { p.mu.Lock(); defer p.mu.Unlock(); p.cut, p.frames = n, 0 }
func (p *PED) Frames() int { p.mu.Lock(); defer p.mu.Unlock(); return p.frames }

// Serve is the PED on one connection; it returns when that ends.
func (p *PED) Serve(c hsm.FrameConn) {
	defer c.Close()
	s := &session{p: p, c: c, in: make(chan []byte)}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		defer close(s.in)
		for {
			f, err := c.Recv(ctx)
			if err != nil {
				return
			}
			select {
			case s.in <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	for f := range s.in {
		// A Hello in the middle of something begins anew.
		for err := error(nil); channel.IsHello(f); {
			f, err = s.run(f)
			if errors.Is(err, errDied) {
				return
			}
		}
	}
}

func (p *PED) checkCounter(id channel.Identity) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id.StartCounter < p.counters[id.IssuingFP] {
		return rpv.ErrCounter
	}
	p.counters[id.IssuingFP] = id.StartCounter
	return nil
}

func (p *PED) verifier() *certs.HSMVerifier { return &certs.HSMVerifier{Roots: p.Roots} }

// pop takes the first entry of a list that custodians fill.
func pop[T any](list *[]T) func() (T, bool) {
	return func() (v T, ok bool) {
		if len(*list) == 0 {
			return v, false
		}
		v = (*list)[0]
		*list = (*list)[1:]
		return v, true
	}
}
