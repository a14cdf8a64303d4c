package thief

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/rpv"
	"openped/softped"
	"openped/softped/softpedtest"
	"openped/usbped"
)

// rig is an HSM, a PED and the people at both.
type rig struct {
	*hsmtest.HSM
	t      testing.TB
	ped    *softped.PED
	born   time.Time
	state  *softped.MemState
	keys   rpv.DirStore
	people *softpedtest.Driver

	served chan struct{} // the PED's last host is gone
	line   *hsmtest.Conn // the HSM's end of the last connection

	onFrame atomic.Pointer[func()] // called for each

	mu     sync.Mutex
	wire   []frame // what passed between the two
	proofs int     // how often the PED told its host that an HSM had proved itself
}

// frame is one message on the wire, with the time since the rig was made.
type frame struct {
	at     time.Duration
	toPED  bool
	record []byte
}

const serial = "7000001"

func newRig(t testing.TB, edit func(*softped.Config)) *rig {
	t.Helper()
	h := hsmtest.NewHSM(t, serial, "")
	r := &rig{HSM: h, t: t, born: time.Now(), state: &softped.MemState{}}
	ped, dir := softpedtest.NewPED(t, func(c *softped.Config) {
		c.State, c.Roots = r.state, append(c.Roots, h.Origin.Cert)
		if edit != nil {
			edit(c)
		}
	})
	r.ped, r.keys = ped, rpv.DirStore{Dir: dir}
	r.people = softpedtest.Drive(t, ped)
	return r
}

// plug connects a host to the PED, as PEDserver does, and returns the host's end.
func (r *rig) plug() *hsmtest.Conn {
	if r.served != nil {
		r.line.Close()
		<-r.served
	}
	host, dev := hsmtest.Pipe()
	tap := func(toPED bool) func([]byte) []byte {
		return func(f []byte) []byte {
			r.mu.Lock()
			r.wire = append(r.wire, frame{time.Since(r.born), toPED, f})
			r.mu.Unlock()
			if on := r.onFrame.Load(); on != nil {
				(*on)()
			}
			return f
		}
	}
	host.Tap, dev.Tap = tap(true), tap(false)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = r.ped.Serve(context.Background(), &gadget{r: r, c: dev})
		dev.Close()
	}()
	r.served, r.line = served, host
	r.t.Cleanup(func() { host.Close(); <-served })
	return host
}

// passed returns what has passed since mark.
func (r *rig) passed(mark int) []frame {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.wire[mark:])
}

func (r *rig) mark() int { return len(r.passed(0)) }

// gadget is the PED's end of the cable, without the framing of USB.
type gadget struct {
	r    *rig
	c    *hsmtest.Conn
	open bool
}

func (g *gadget) Recv(ctx context.Context) (usbped.FromHost, error) {
	if !g.open {
		g.open = true
		return usbped.FromHost{Kind: usbped.HostOpened}, nil
	}
	f, err := g.c.Recv(ctx)
	return usbped.FromHost{Kind: usbped.HostFrame, Frame: f}, err
}

func (g *gadget) SendFrame(ctx context.Context, f []byte) error { return g.c.Send(ctx, f) }

func (g *gadget) SendEvent(ctx context.Context, e protocol.PEDEvent) error {
	if e.Kind == protocol.EvtProven {
		g.r.mu.Lock()
		g.r.proofs++
		g.r.mu.Unlock()
	}
	return ctx.Err()
}

func (g *gadget) SendCanceled(context.Context, uint32) error { return nil }

// proven is how many HSMs have proved themselves to the PED.
func (r *rig) proven() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.proofs
}

// start runs a command of the console while people are at the PED.
func start(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

// ends waits for a command and wants its code.
func (r *rig) ends(c <-chan error, code hsmapi.Code) *hsm.Error {
	r.t.Helper()
	select {
	case err := <-c:
		return wants(r.t, err, code)
	case <-time.After(2 * time.Minute):
		r.t.Fatalf("the command does not end; the PED shows %s", r.ped.Screen().ID)
		return nil
	}
}

func wants(t testing.TB, err error, code hsmapi.Code) *hsm.Error {
	t.Helper()
	var e *hsm.Error
	switch {
	case err == nil && code == hsmapi.CKR_OK:
	case err == nil:
		t.Fatalf("no error, want %v", code)
	case !errors.As(err, &e) || e.Code != code:
		t.Fatalf("%v (%s), want %v", err, hsmtest.Describe(err), code)
	}
	return e
}

// connect is `ped connect`: with a one-time password unless it is "".
func (r *rig) connect(password string) error {
	return r.connectTo(r.HSM, password)
}

func (r *rig) connectTo(h *hsmtest.HSM, password string) error {
	var o hsm.ConnectOptions
	if password != "" {
		o.Password = secret.Copy([]byte(password))
		defer o.Password.Destroy()
	}
	return h.Slot.Connect(r.t.Context(), r.plug(), o)
}

// custodian is a key with its PIN.
type custodian = hsmtest.Insert

var (
	orange = custodian{Key: "orange1", PIN: "86420975"}
	blue   = []custodian{{Key: "blue1", PIN: "31415926"}, {Key: "blue2", PIN: "27182818"}, {Key: "blue3", PIN: "16180339"}}
	red    = custodian{Key: "red1", PIN: "14142135"}
)

// pair connects by one-time password.
func (r *rig) pair(h *hsmtest.HSM, password string) {
	r.t.Helper()
	r.mode(protocol.PEDModePair)
	c := start(func() error { return r.connectTo(h, password) })
	r.people.Wait("otp.password", "otp.unverified").Press(password + "E")
	r.ends(c, hsmapi.CKR_OK)
}

// mode chooses a mode at the PED, as soon as its last dialogue has left the LCD.
func (r *rig) mode(m protocol.PEDMode) {
	r.t.Helper()
	err := softped.ErrBusy
	for late := time.Now().Add(10 * time.Second); errors.Is(err, softped.ErrBusy) && time.Now().Before(late); {
		if err = r.ped.SetMode(m); err != nil {
			<-time.After(5 * time.Millisecond)
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// vector makes an RPV on one orange key, over the connection there is.
func (r *rig) vector(h *hsmtest.HSM, g *hsm.Grant, key custodian) {
	r.t.Helper()
	c := start(func() error { return h.Slot.InitRPV(r.t.Context(), g, nil) })
	r.keyset(1, key)
	r.ends(c, hsmapi.CKR_OK)
}

// keyset makes a new keyset on blank keys; M of them will be needed.
func (r *rig) keyset(m int, keys ...custodian) {
	r.t.Helper()
	p := r.people.Wait("create.reuse").Press("N").Wait("create.m").Press(digit(m) + "E").Wait("create.n").Press(digit(len(keys)) + "E")
	for i, k := range keys {
		r.blank(k.Key)
		id := "create.insert"
		if i > 0 {
			id = "create.insert-another"
		}
		p.Wait(id).Insert(k.Key).Press("E").Wait("create.blank").Press("Y")
		p.Wait("create.pin").Press(k.PIN + "E" + k.PIN + "E")
	}
	p.Wait("create.duplicate").Press("N")
}

func digit(n int) string { return string(rune('0' + n)) }

// blank makes a blank key if there is none of that name.
func (r *rig) blank(name string) {
	r.t.Helper()
	names, err := r.ped.Keys()
	if err != nil {
		r.t.Fatal(err)
	}
	if !slices.Contains(names, name) {
		r.people.Blank(name)
	}
}

// offer inserts the orange key and types its PIN.
func (r *rig) offer(k custodian) {
	r.t.Helper()
	r.people.Wait("key.insert").Insert(k.Key).Press("E").Wait("key.pin").Press(k.PIN + "E")
}

// bootstrap goes from nothing to a connection in rpv mode with the orange key in
// the PED's cache.
func (r *rig) bootstrap() {
	r.t.Helper()
	r.pair(r.HSM, "13572468")
	r.vector(r.HSM, nil, orange)
	wants(r.t, r.Slot.Disconnect(r.t.Context()), hsmapi.CKR_OK)
	wants(r.t, r.connect(""), hsmapi.CKR_OK)
}

// initialize makes a blue keyset, 2 of 3, and a red key.
func (r *rig) initialize() {
	r.t.Helper()
	c := start(func() error { return r.Slot.InitHSM(r.t.Context(), hsm.InitOptions{Label: "thief"}, nil) })
	r.offer(orange)
	r.keyset(2, blue...)
	r.keyset(1, red)
	r.ends(c, hsmapi.CKR_OK)
}

// ready is a rig with an initialised HSM.
func ready(t testing.TB) *rig {
	t.Helper()
	r := newRig(t, nil)
	r.bootstrap()
	r.initialize()
	return r
}

// login is `role login -name so` with these keys.
func (r *rig) login(code hsmapi.Code, keys ...custodian) *hsm.Grant {
	r.t.Helper()
	var g *hsm.Grant
	c := start(func() (err error) {
		g, err = r.Slot.Login(r.t.Context(), protocol.RoleSO, hsmtest.Console{Yes: true})
		return err
	})
	for i, k := range keys {
		r.share(k, i == 0)
	}
	r.ends(c, code)
	return g
}

// share gives one share to a login.
func (r *rig) share(k custodian, first bool) {
	r.t.Helper()
	id := "login.insert-another"
	if first {
		id = "login.insert"
	}
	r.people.Wait(id).Insert(k.Key).Press("E").Wait("login.pin").Press(k.PIN + "E")
}

// screens is all that the LCD shows from the call on.
type screens struct{ f *softped.Follower }

func (r *rig) watch() screens {
	f := r.ped.Follow()
	s := screens{f}
	s.shown() // what is there already
	return s
}

// shown returns the ids of the screens shown since the last call.
func (s screens) shown() []string {
	over, stop := context.WithCancel(context.Background())
	stop()
	var ids []string
	for {
		sc, err := s.f.Next(over)
		if err != nil {
			return ids
		}
		ids = append(ids, sc.ID)
	}
}

// asks reports whether a screen asks somebody for something.
func asks(id string) bool {
	return id != "idle" && id != "remote.ready" && !strings.HasPrefix(id, "notice.")
}

// send is one message of a thief's to the PED.
func send(t testing.TB, c *hsmtest.Conn, f []byte) {
	t.Helper()
	if err := c.Send(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// errNothing: the PED said nothing.
var errNothing = errors.New("nothing came")

// receive is the PED's next message, within 10 s.
func receive(t testing.TB, c *hsmtest.Conn) ([]byte, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	f, err := c.Recv(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) {
		return nil, errNothing
	}
	return f, err
}

// wrong is a custodian with a mistyped PIN.
func wrong(k custodian) custodian { return custodian{Key: k.Key, PIN: k.PIN[:len(k.PIN)-1] + "0"} }

// otp is a connect with a one-time password, which is not wiped afterwards.
func otp(password string) hsm.ConnectOptions {
	return hsm.ConnectOptions{Password: secret.Copy([]byte(password))}
}
