package softped

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"

	"openped/certs"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
	"openped/usbped"
)

// cable is a Gadget on channels.
type cable struct {
	up     chan usbped.FromHost
	frames chan []byte
	events chan protocol.PEDEvent
}

func newCable() *cable {
	return &cable{make(chan usbped.FromHost, 16), make(chan []byte, 256), make(chan protocol.PEDEvent, 256)}
}

func (c *cable) Recv(ctx context.Context) (usbped.FromHost, error) {
	select {
	case m, ok := <-c.up:
		if !ok {
			return m, io.EOF
		}
		return m, nil
	case <-ctx.Done():
		return usbped.FromHost{}, ctx.Err()
	}
}

func (c *cable) SendFrame(_ context.Context, b []byte) error            { c.frames <- b; return nil }
func (c *cable) SendEvent(_ context.Context, e protocol.PEDEvent) error { c.events <- e; return nil }
func (c *cable) SendCanceled(context.Context, uint32) error             { return nil }

// testHSM is the far end, with real certificates.
type testHSM struct {
	origin  *certs.OriginRoot
	issuing *certs.Issuing
	static  *ecdh.PrivateKey
	chain   [][]byte
	counter uint64
	label   string
	rpv     []byte
	live    protocol.SetID
	listed  map[[64]byte]bool

	u *channel.U
	s *channel.Session
}

func newHSM(t *testing.T, origin *certs.OriginRoot, serial string) *testHSM {
	t.Helper()
	i, err := origin.NewIssuing(serial)
	if err != nil {
		t.Fatal(err)
	}
	h := &testHSM{origin: origin, issuing: i, label: "factory hsm", rpv: bytes.Repeat([]byte{0x5a}, 64), live: setA, listed: map[[64]byte]bool{}}
	h.restart(t)
	return h
}

// restart gives the HSM a new static key, as every start does.
func (h *testHSM) restart(t *testing.T) {
	t.Helper()
	var err error
	if h.static, err = ecdh.P521().GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	h.counter++
	der, err := h.issuing.IssueStatic(h.static.PublicKey(), h.counter)
	if err != nil {
		t.Fatal(err)
	}
	h.chain = h.issuing.Chain(der)
}

func (h *testHSM) fp() rpv.Fingerprint {
	fp, err := h.issuing.Fingerprint()
	if err != nil {
		panic(err)
	}
	return fp
}

// rpk makes and lists an RPK.
func (h *testHSM) rpk(t *testing.T) (*secret.Buffer, []byte) {
	t.Helper()
	key, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := h.issuing.IssueRPK(key.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	h.listed[certs.IDOf(key.PublicKey())] = true
	return secret.From(key.Bytes()), der
}

// rig is a PED with a host and an HSM, in a bubble.
type rig struct {
	*bench
	hsm   *testHSM
	cable *cable
	serve chan error
}

func inRig(t *testing.T, edit func(*Config), f func(t *testing.T, r *rig)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		origin, err := certs.NewOriginRoot("test origin")
		if err != nil {
			t.Fatal(err)
		}
		h := newHSM(t, origin, testSerial)
		cfg := Config{Serial: "PED-1", Keys: rpv.DirStore{Dir: dir}, State: &MemState{}, Cost: rpv.LightCost(), Roots: []*x509.Certificate{origin.Cert}, Log: slog.New(slog.DiscardHandler)}
		if edit != nil {
			edit(&cfg)
		}
		p, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{bench: &bench{t: t, p: p, keys: rpv.DirStore{Dir: dir}, peer: channel.Identity{Serial: testSerial, IssuingFP: h.fp()}}, hsm: h}
		defer r.takeOut()
		r.plug()
		defer func() { r.unplug() }()
		f(t, r)
	})
}

// plug connects a host.
func (r *rig) plug() {
	r.cable, r.serve = newCable(), make(chan error, 1)
	go func() { r.serve <- r.p.Serve(context.Background(), r.cable) }()
	r.cable.up <- usbped.FromHost{Kind: usbped.HostOpened}
	synctest.Wait()
}

func (r *rig) unplug() {
	close(r.cable.up)
	<-r.serve
}

// event takes the next event of a kind.
func (r *rig) event(kind protocol.EventKind) protocol.PEDEvent {
	r.t.Helper()
	synctest.Wait()
	for {
		select {
		case e := <-r.cable.events:
			if e.Kind == kind {
				return e
			}
		default:
			r.t.Fatalf("no event %v", kind)
		}
	}
}

// state is the last state that the PED told.
func (r *rig) state() (e protocol.PEDEvent) {
	r.t.Helper()
	synctest.Wait()
	for {
		select {
		case x := <-r.cable.events:
			if x.Kind == protocol.EvtState {
				e = x
			}
		default:
			return e
		}
	}
}

func (r *rig) toPED(frame []byte) {
	r.cable.up <- usbped.FromHost{Kind: usbped.HostFrame, Frame: frame}
	synctest.Wait()
}

// frame takes the PED's next frame, or nil.
func (r *rig) frame() []byte {
	synctest.Wait()
	select {
	case b := <-r.cable.frames:
		return b
	default:
		return nil
	}
}

// still checks that the PED sends nothing.
func (r *rig) still() *rig {
	r.t.Helper()
	if b := r.frame(); b != nil {
		r.t.Fatalf("PED sent %v", channel.Type(b[0]))
	}
	return r
}

func (r *rig) wantAlert() {
	r.t.Helper()
	if b := r.frame(); !channel.IsAlert(b) {
		r.t.Fatalf("PED sent % x, want the alert", b[:min(len(b), 8)])
	}
}

// hello starts a handshake; the reply is the next frame.
func (r *rig) hello(mode channel.Mode, password string) {
	r.t.Helper()
	cfg := channel.UConfig{Mode: mode, Serial: r.hsm.issuing.Serial, Label: r.hsm.label, Firmware: "7.7.0", Chain: r.hsm.chain, Static: r.hsm.static, Password: []byte(password),
		Verifier: &certs.RPKVerifier{IssuingDER: r.hsm.issuing.CertDER, Listed: func(fp [64]byte) bool { return r.hsm.listed[fp] }, Own: func([64]byte) bool { return false }}}
	if mode == channel.ModeRPV {
		cfg.LiveSet = r.hsm.live
	}
	u, msg, err := channel.NewU(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.hsm.u, r.hsm.s = u, nil
	r.toPED(msg)
}

// prove goes on to HsmProof.
func (r *rig) prove(mode channel.Mode, password string) {
	r.t.Helper()
	r.hello(mode, password)
	proof, err := r.hsm.u.Reply(r.frame())
	if err != nil {
		r.t.Fatal(err)
	}
	r.toPED(proof)
}

// begin goes on to Begin: now people are asked.
func (r *rig) begin(mode channel.Mode, password string) {
	r.t.Helper()
	r.prove(mode, password)
	rec, err := r.hsm.u.Begin()
	if err != nil {
		r.t.Fatal(err)
	}
	r.toPED(rec)
}

// auth takes the PED's PedAuth, past signs of life.
func (r *rig) auth() *channel.PedAuth {
	r.t.Helper()
	for {
		b := r.frame()
		if b == nil {
			r.t.Fatalf("no PedAuth; the PED shows %s", r.p.Screen().ID)
		}
		ev, err := r.hsm.u.Receive(b)
		if err != nil {
			r.t.Fatal(err)
		}
		if ev == channel.UAuth {
			return r.hsm.u.Auth()
		}
	}
}

// finish judges PedAuth and opens the session.
func (r *rig) finish() error {
	var rpv []byte
	if len(r.hsm.u.Auth().RPKCert) > 0 {
		rpv = r.hsm.rpv
	}
	s, confirm, err := r.hsm.u.Finish(rpv)
	if err != nil {
		r.toPED(channel.AlertRecord())
		return err
	}
	r.hsm.s = s
	r.toPED(confirm)
	return nil
}

// tell sends a message in the session.
func (r *rig) tell(m protocol.Message) *rig {
	r.t.Helper()
	rec, err := r.hsm.s.Seal(protocol.EncodeMessage(m))
	if err != nil {
		r.t.Fatal(err)
	}
	r.toPED(rec)
	return r
}

// hear takes the PED's next message, past signs of life.
func hear[M protocol.Message](r *rig) M {
	r.t.Helper()
	for {
		b := r.frame()
		if b == nil {
			r.t.Fatalf("PED sent nothing; it shows %s", r.p.Screen().ID)
		}
		kind, payload, err := r.hsm.s.Open(b)
		if err != nil {
			r.t.Fatal(err)
		}
		if kind == channel.KindActivity {
			continue
		}
		if kind != channel.KindData {
			r.t.Fatalf("PED sent a record of kind %v", kind)
		}
		m, err := protocol.DecodeMessage(payload)
		if err != nil {
			r.t.Fatal(err)
		}
		want, ok := m.(M)
		if !ok {
			r.t.Fatalf("PED sent %v", m.Type())
		}
		return want
	}
}

// bye closes the session from the HSM's side.
func (r *rig) bye() {
	r.t.Helper()
	rec, err := r.hsm.s.Close()
	if err != nil {
		r.t.Fatal(err)
	}
	r.toPED(rec)
}

// orange puts an orange key with one share of the HSM's RPV into the folder.
func (r *rig) orange(name, pin string, set protocol.SetID, index, m, n uint8, value []byte, pending bool) {
	r.t.Helper()
	k, err := r.keys.Load(name)
	if err != nil {
		k = rpv.NewBlank()
	}
	private, cert := r.hsm.rpk(r.t)
	s, err := rpv.NewSet(rpv.SetParams{ID: set, Type: protocol.KeyRPK, Index: index, M: m, N: n, PIN: []byte(pin), Share: secret.Copy(value), Cost: rpv.LightCost(),
		Issuer: r.hsm.fp(), RPKPrivate: private, RPKCert: cert})
	if err == nil {
		err = k.WritePending(s)
	}
	if err == nil && !pending {
		err = k.Promote(set)
	}
	if err == nil {
		err = r.keys.Save(name, k)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// session opens an rpv session with an orange key called "orange", made if it is
// missing, without PIN.
func (r *rig) session() {
	r.t.Helper()
	if _, err := r.keys.Load("orange"); err != nil {
		r.orange("orange", "", r.hsm.live, 1, 1, 1, r.hsm.rpv, false)
	}
	r.begin(channel.ModeRPV, "")
	if r.p.Screen().ID == "key.insert" {
		r.insert("orange").press("E")
	}
	r.auth()
	if err := r.finish(); err != nil {
		r.t.Fatal(err)
	}
	r.at("remote.ready")
}
