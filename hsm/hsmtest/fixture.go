package hsmtest

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"openped/certs"
	"openped/hsm"
	"openped/hsm/virtual"
	"openped/internal/audit"
	"openped/internal/secret"
	"openped/protocol"
	"openped/usbped"
)

// HSM is a virtual HSM in a temporary folder with a slot on it. It can be killed
// and started again.
type HSM struct {
	T      testing.TB
	Path   string
	Origin *certs.OriginRoot
	Driver *Driver
	Slot   *hsm.Slot
	Audit  *audit.Log
	// NoAudit, if set before Start or Clone, saves a crash test its many fsyncs.
	NoAudit bool
	conns   []*Conn
}

var origin = sync.OnceValues(func() (*certs.OriginRoot, error) { return certs.NewOriginRoot("test origin") })

// Origin returns the origin root that the HSMs of a test binary share.
func Origin(t testing.TB) *certs.OriginRoot {
	t.Helper()
	o, err := origin()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// dir returns a temporary folder, in memory where that is to be had: these tests
// kill processes, not power, and each fsync of a disk costs them milliseconds.
func dir(t testing.TB) string {
	t.Helper()
	if runtime.GOOS == "linux" {
		if d, err := os.MkdirTemp("/dev/shm", "hsmtest"); err == nil {
			t.Cleanup(func() { os.RemoveAll(d) })
			return d
		}
	}
	return t.TempDir()
}

// NewHSM makes an HSM and starts it. firmware "" is 7.7.0.
func NewHSM(t testing.TB, serial, firmware string) *HSM {
	t.Helper()
	return NewHSMOf(t, virtual.CreateOptions{Serial: serial, Firmware: firmware})
}

// NewHSMOf is NewHSM with further options; the origin is filled in.
func NewHSMOf(t testing.TB, o virtual.CreateOptions) *HSM {
	t.Helper()
	h := &HSM{T: t, Path: filepath.Join(dir(t), "hsm.json"), Origin: Origin(t)}
	o.Origin = h.Origin
	if err := virtual.Create(h.Path, o); err != nil {
		t.Fatal(err)
	}
	h.Start()
	t.Cleanup(h.Kill)
	return h
}

// Clone returns another HSM with a copy of the state on disk. Both have one
// identity, which is what a thief of the disk has.
func (h *HSM) Clone(t testing.TB) *HSM {
	t.Helper()
	b, err := os.ReadFile(h.Path)
	if err != nil {
		t.Fatal(err)
	}
	c := &HSM{T: t, Path: filepath.Join(dir(t), "hsm.json"), Origin: h.Origin, NoAudit: h.NoAudit}
	if err := os.WriteFile(c.Path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Start()
	t.Cleanup(c.Kill)
	return c
}

// Start opens the HSM's state from disk and starts a slot on it.
func (h *HSM) Start() {
	h.T.Helper()
	d, err := virtual.Open(h.Path)
	if err != nil {
		h.T.Fatal(err)
	}
	if !h.NoAudit {
		if h.Audit, err = audit.Open(h.Path + ".audit"); err != nil {
			h.T.Fatal(err)
		}
	}
	h.Driver = &Driver{Driver: d}
	if h.Slot, err = hsm.New(h.Driver, hsm.Options{Slot: 1, Audit: h.Audit}); err != nil {
		h.T.Fatal(describe(err))
	}
}

// Kill ends the process that the HSM runs in: connections are cut, nothing more
// is written, the lock is gone.
func (h *HSM) Kill() {
	for _, c := range h.conns {
		c.Cut()
	}
	h.conns = nil
	h.Slot.Close()
	if h.Audit != nil {
		h.Audit.Close()
	}
}

// Restart is Kill and Start.
func (h *HSM) Restart() {
	h.T.Helper()
	h.Kill()
	h.Start()
}

// CrashAt kills the HSM at its n-th write from now.
func (h *HSM) CrashAt(n int, after bool) {
	h.Driver.Crash(n, after, func() {
		for _, c := range h.conns {
			c.Cut()
		}
	})
}

// Connect connects a PED; password "" is rpv mode.
func (h *HSM) Connect(ctx context.Context, p *PED, password string) error {
	c := p.Connect()
	h.conns = append(h.conns, c)
	var o hsm.ConnectOptions
	if password != "" {
		o.Password = secret.Copy([]byte(password))
		defer o.Password.Destroy()
	}
	return h.Slot.Connect(ctx, c, o)
}

// ConnectLocal connects a PED as one of the HSM's own host.
func (h *HSM) ConnectLocal(ctx context.Context, p *PED) error {
	c := p.Connect()
	h.conns = append(h.conns, c)
	return h.Slot.ConnectLocal(ctx, Cable{c})
}

// Cable is a Conn to a PED of the HSM's own host; it implements hsm.LocalConn.
type Cable struct{ *Conn }

// Device implements hsm.LocalConn.
func (Cable) Device() usbped.Device { return device{} }

type device struct{ usbped.Device }

// MustConnect is Connect, fatal on an error.
func (h *HSM) MustConnect(p *PED, password string) {
	h.T.Helper()
	if err := h.Connect(h.T.Context(), p, password); err != nil {
		h.T.Fatalf("connect: %v", describe(err))
	}
}

// Bootstrap pairs p with the HSM by one-time password and makes an RPV on one
// orange key "orange" with PIN 4444; p stays connected.
func (h *HSM) Bootstrap(p *PED) {
	h.T.Helper()
	p.change(func() { p.Pair = true })
	p.Type("12345678")
	h.MustConnect(p, "12345678")
	p.Choose(Choice{M: 1, N: 1})
	p.Insert(Insert{"orange", "4444"})
	if err := h.Slot.InitRPV(h.T.Context(), nil, nil); err != nil {
		h.T.Fatalf("ped vector init: %v", describe(err))
	}
	p.Insert(Insert{"orange", "4444"}) // for the first session of the new RPV
}

// Blue and Red are the keysets that Init makes.
var (
	Blue = []Insert{{"blue1", "1111"}, {"blue2", "2222"}, {"blue3", "3333"}}
	Red  = []Insert{{"red", ""}}
)

// Init makes a 2-of-3 blue keyset and a red key.
func (h *HSM) Init(p *PED) {
	h.T.Helper()
	p.Choose(Choice{M: 2, N: 3}, Choice{M: 1, N: 1})
	p.Insert(Blue...)
	p.Insert(Red...)
	if err := h.Slot.InitHSM(h.T.Context(), hsm.InitOptions{Label: "test"}, nil); err != nil {
		h.T.Fatalf("hsm init: %v", describe(err))
	}
}

// Login logs the SO in with the given keys.
func (h *HSM) Login(p *PED, keys ...Insert) (*hsm.Grant, error) {
	p.Insert(keys...)
	ctx, cancel := context.WithTimeout(h.T.Context(), time.Minute)
	defer cancel()
	return h.Slot.Login(ctx, protocol.RoleSO, Console{Yes: true})
}

// State returns a copy of the HSM's state; the RPV in it is the driver's.
func (h *HSM) State() (st *hsm.State) {
	h.Driver.View(func(s *hsm.State) { st = s.Clone() })
	return st
}

// Records returns the audit log.
func (h *HSM) Records() (all []audit.Record) {
	h.T.Helper()
	if err := h.Audit.Visit(func(r audit.Record) error { all = append(all, r); return nil }); err != nil {
		h.T.Fatal(err)
	}
	return all
}

// Console answers every prompt alike.
type Console struct {
	Yes bool
	// Asked, if set, is told each prompt.
	Asked func(hsm.Prompt)
}

// Prompt implements hsm.Prompter.
func (c Console) Prompt(_ context.Context, p hsm.Prompt) (bool, error) {
	if c.Asked != nil {
		c.Asked(p)
	}
	return c.Yes, nil
}

// Notice implements hsm.Prompter.
func (Console) Notice(hsm.Notice) {}
