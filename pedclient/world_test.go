package pedclient

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"openped/certs"
	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/logs"
	"openped/protocol/hsmapi"
)

// world is a pedclient in a bubble, where time stands still while anybody works:
// slot n has an HSM of its own, and a PED of its own behind the host "ped<n>".
type world struct {
	*bench
	peds []*hsmtest.PED
	mu   sync.Mutex
	far  []net.Conn
	srvs []*fakeServer
}

func newWorld(t *testing.T, slots int, tune func(*Config)) *world {
	t.Helper()
	w := &world{bench: &bench{t: t, dir: t.TempDir(), log: new(logBuffer)}}
	cfg := Config{Log: slog.New(logs.New(w.log, logs.Levels{Info: true, Warning: true, Error: true, Trace: true}))}
	for n := range slots {
		file := filepath.Join(w.dir, fmt.Sprintf("hsm%d", n+1))
		if _, err := CreateHSM(file, fmt.Sprintf("700000%d", n+1), "7.7.0", filepath.Join(w.dir, "origin"), hsm.AuthPED); err != nil {
			t.Fatal(err)
		}
		cfg.HSMFiles = append(cfg.HSMFiles, file)
	}
	root, err := certs.LoadOriginRoot(filepath.Join(w.dir, "origin"))
	if err != nil {
		t.Fatal(err)
	}
	for range slots {
		p := hsmtest.NewPED(&hsmtest.Keyring{}, root.Cert)
		p.Pair = true
		w.peds = append(w.peds, p)
		w.srvs = append(w.srvs, &fakeServer{t: t, ped: p})
	}
	cfg.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		for n, s := range w.srvs {
			if host == fmt.Sprintf("ped%d", n+1) {
				near, far := net.Pipe()
				w.mu.Lock()
				w.far = append(w.far, far)
				w.mu.Unlock()
				go s.serve(far)
				return near, nil
			}
		}
		return nil, &net.DNSError{Name: host, IsNotFound: true}
	}
	if tune != nil {
		tune(&cfg)
	}
	if w.c, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

// end lets every goroutine of the bubble end.
func (w *world) end() {
	if err := w.c.Close(); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.far {
		c.Close()
	}
	if w.t.Failed() {
		w.t.Log(w.log.String())
	}
}

func slotN(n int) hsmapi.Fields { return hsmapi.Fields{}.AddU32(hsmapi.TagSlot, uint32(n)) }

// ready leaves slot n initialised, with RPV, its PED connected.
func (w *world) ready(u *user, n int) {
	w.t.Helper()
	p := w.peds[n-1]
	u.onPass = func(pw string) { p.Type(pw) }
	u.must(hsmapi.PedConnect, slotN(n).AddText(hsmapi.TagHost, fmt.Sprintf("ped%d", n)).AddBool(hsmapi.TagWantPassword, true))
	p.Choose(hsmtest.Choice{M: 1, N: 1})
	p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	u.must(hsmapi.VectorInit, slotN(n))
	p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	p.Choose(hsmtest.Choice{M: 2, N: 3}, hsmtest.Choice{M: 1, N: 1})
	p.Insert(hsmtest.Blue...)
	p.Insert(hsmtest.Red...)
	p.Answer(true)
	u.must(hsmapi.HsmInit, slotN(n).AddText(hsmapi.TagLabel, "demo"))
}
