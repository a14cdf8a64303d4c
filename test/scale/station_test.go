package scale

import (
	"context"
	"crypto/x509"
	"net"
	"sync"
	"testing"
	"time"

	"openped/hsm/hsmtest"
	"openped/pedserver"
	"openped/rpv"
	"openped/softped"
	"openped/usbped"
)

// orange is the PED key that hsmtest's Bootstrap makes.
var orange = hsmtest.Insert{Key: "orange", PIN: "4444"}

// station is a PED with its PEDserver and the people at it, who do what its
// screens ask for.
type station struct {
	ped    *softped.PED
	server *pedserver.Server

	mu     sync.Mutex
	pace   time.Duration // what people take for each screen
	orange int           // how often the orange key was wanted
}

// newStation sets a station up that serves HSMs on l until the test ends. cfg may
// have further settings of its PEDserver. The PED keys are those of a keyring.
func newStation(t *testing.T, l net.Listener, cfg pedserver.Config, origin *x509.Certificate, keys *hsmtest.Keyring) *station {
	t.Helper()
	folder := rpv.DirStore{Dir: t.TempDir()}
	for _, k := range append([]hsmtest.Insert{orange}, hsmtest.Blue...) {
		if err := folder.Save(k.Key, keys.Take(k.Key)); err != nil {
			t.Fatal(err)
		}
	}
	ped, err := softped.New(softped.Config{Serial: "PED-SCALE", Keys: folder, State: &softped.MemState{}, Cost: rpv.LightCost(), Roots: []*x509.Certificate{origin}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Opener = cable{ped}
	s := &station{ped: ped, server: pedserver.New(cfg)}
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = s.server.Serve(ctx, l) })
	all.Go(func() { s.attend(ctx) })
	t.Cleanup(func() { stop(); all.Wait() })
	return s
}

// cable plugs a PED into PEDserver, in memory.
type cable struct{ ped *softped.PED }

func (cable) String() string { return "cable" }

func (c cable) Open(ctx context.Context) (usbped.Device, error) {
	host, dev := net.Pipe()
	g := usbped.NewGadget(dev, c.ped.Info())
	go func() {
		_ = c.ped.Serve(context.Background(), g)
		g.Close()
	}()
	h, err := usbped.NewHost(ctx, host)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// attend plays the people.
func (s *station) attend(ctx context.Context) {
	f := s.ped.Follow()
	next := 0
	for {
		screen, err := f.Next(ctx)
		if err != nil {
			return
		}
		s.mu.Lock()
		pace := s.pace
		if screen.ID == "key.insert" {
			s.orange++
		}
		s.mu.Unlock()
		switch screen.ID {
		case "key.insert", "key.pin", "login.insert", "login.insert-another", "login.pin":
			time.Sleep(pace)
		}
		switch screen.ID {
		case "key.insert":
			s.insert(orange.Key)
		case "key.pin":
			s.press(orange.PIN + "E")
		case "login.insert", "login.insert-another":
			if screen.ID == "login.insert" {
				next = 0
			}
			s.insert(hsmtest.Blue[next].Key)
			next++
		case "login.pin":
			s.press(hsmtest.Blue[next-1].PIN + "E")
		}
	}
}

// insert and press cannot fail but by a screen that people would stare at: then
// the login ends by itself.
func (s *station) insert(key string) {
	if s.ped.Insert(key) == nil {
		s.press("E")
	}
}

func (s *station) press(keys string) {
	for _, k := range keys {
		_ = s.ped.Press(k)
	}
}

// slow has people take that long for each screen from now on.
func (s *station) slow(pace time.Duration) { s.mu.Lock(); s.pace = pace; s.mu.Unlock() }

func (s *station) orangeWanted() int { s.mu.Lock(); defer s.mu.Unlock(); return s.orange }

// newHSM makes an initialised HSM with keys of its own, and leaves its state file
// closed.
func newHSM(t *testing.T, serial string) (h *hsmtest.HSM, keys *hsmtest.Keyring) {
	t.Helper()
	keys = &hsmtest.Keyring{}
	h = hsmtest.NewHSM(t, serial, "")
	p := hsmtest.NewPED(keys, h.Origin.Cert)
	h.Bootstrap(p)
	h.Init(p)
	h.Kill()
	return h, keys
}
