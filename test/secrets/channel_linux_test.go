package secrets

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

	"openped/hsm"
	"openped/hsm/virtual"
	buffer "openped/internal/secret"
	"openped/protocol"
	"openped/test/lab"
)

// TestPedserverKnowsNoChannelKeys: the HSM runs in the test itself, so that its
// channel keys are known; pedserver and softped are real. The keys of every
// channel, before and after both tags, are in softped's memory, and neither in
// pedserver's nor in what passes through it.
func TestPedserverKnowsNoChannelKeys(t *testing.T) {
	l := lab.New(t, lab.Options{Relay: true, Trace: true})
	l.StartPED()
	usb := newCable(t, l)
	l.StartServer()
	driver, err := virtual.Open(l.HSMFile(1))
	if err != nil {
		t.Fatal(err)
	}
	slot, err := hsm.New(driver, hsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer slot.Close()

	var keys []secret
	var server, ped []memory
	all := mayReadAll(t)
	shoot := func() {
		t.Helper()
		m, err := memoryOf(l.Server().PID())
		if err != nil {
			t.Fatal(err)
		}
		server = append(server, m)
		if all {
			if m, err = memoryOf(l.PED().PID()); err != nil {
				t.Fatal(err)
			}
			ped = append(ped, m)
		}
	}
	connect := func(o hsm.ConnectOptions) error {
		c, err := dial(l.Relay.Port(), lab.Serial(1))
		if err != nil {
			return err
		}
		return slot.Connect(t.Context(), c, o)
	}
	people := func(steps ...string) {
		t.Helper()
		for i := 0; i < len(steps); i += 2 {
			if _, err := l.PED().Wait(20*time.Second, steps[i]); err != nil {
				t.Fatal(err)
			}
			for _, do := range bytes.Split([]byte(steps[i+1]), []byte(";")) {
				if err := l.PED().Do(string(do)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	ends := func(c <-chan error) {
		t.Helper()
		select {
		case err := <-c:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the command does not end")
		}
	}
	start := func(f func() error) <-chan error {
		c := make(chan error, 1)
		go func() { c <- f() }()
		return c
	}
	write := func(names ...string) (steps []string) {
		for i, n := range names {
			id := "create.insert"
			if i > 0 {
				id = "create.insert-another"
			}
			steps = append(steps, id, "insert "+n+";press E", "create.blank", "press Y", "create.pin", "press 31415926E31415926E")
		}
		return append(steps, "create.duplicate", "press N")
	}
	newset := func(m, n string, names ...string) []string {
		return append([]string{"create.reuse", "press N", "create.m", "press " + m + "E", "create.n", "press " + n + "E"}, write(names...)...)
	}

	password := buffer.Copy([]byte("13572468"))
	c := start(func() error { return connect(hsm.ConnectOptions{Password: password}) })
	people("otp.password", "press 13572468E")
	ends(c)
	shoot()
	keys = append(keys, sessionKeys(t, slot, "otp")...)
	c = start(func() error { return slot.InitRPV(t.Context(), nil, nil) })
	people(newset("1", "1", "orange1")...)
	ends(c)
	shoot()
	keys = append(keys, handshakeKeys(t, slot, "rpv, first")...)
	c = start(func() error { return slot.InitHSM(t.Context(), hsm.InitOptions{Label: "x"}, nil) })
	people("key.insert", "insert orange1;press E", "key.pin", "press 31415926E")
	people(newset("2", "2", "blue1", "blue2")...)
	shoot()
	people(newset("1", "1", "red1")...)
	ends(c)
	keys = append(keys, sessionKeys(t, slot, "rpv, first")...)
	shoot()
	if err := slot.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := connect(hsm.ConnectOptions{}); err != nil {
		t.Fatal(err)
	}
	shoot()
	keys = append(keys, handshakeKeys(t, slot, "rpv, second")...)
	c = start(func() error { _, err := slot.Login(t.Context(), protocol.RoleSO, nil); return err })
	people("login.insert", "insert blue1;press E", "login.pin", "press 31415926E", "login.insert-another", "insert blue2;press E", "login.pin", "press 31415926E")
	ends(c)
	shoot()
	keys = append(keys, sessionKeys(t, slot, "rpv, second")...)

	find := newFinder(keys)
	for i, m := range server {
		if found := find.in(m...); len(found) > 0 {
			t.Errorf("pedserver, moment %d: %v", i+1, found)
		}
	}
	wire := append(usb.recorded(), l.Relay.Recorded())
	if found := find.in(wire...); len(found) > 0 {
		t.Errorf("passed through pedserver: %v", found)
	}
	if want := 3*len(dkmParts) + 2*len(k0Parts); len(keys) != want {
		t.Errorf("%d keys are known, want %d", len(keys), want)
	}
	if all {
		var found []string
		for _, m := range ped {
			found = append(found, find.in(m...)...)
		}
		for _, k := range keys {
			if !slices.Contains(found, k.name) {
				t.Errorf("control: softped's memory lacks %s", k.name)
			}
		}
	}
	files(t, l, find, func(string) []string { return nil })
	traced(t, l, "pedserver.log", "softped.log")
}

// Parts of the two key blocks after the confirmation key, which is wiped.
var (
	k0Parts  = []keyPart{{"DEK UV", 32}, {"DMK UV", 64}, {"DEK VU", 32}, {"DMK VU", 64}}
	dkmParts = []keyPart{{"DEK UV", 32}, {"DMK UV", 64}, {"CWK UV", 32}, {"DEK VU", 32}, {"DMK VU", 64}, {"CWK VU", 32}}
)

type keyPart struct {
	name string
	size int
}

// sessionKeys takes the keys of the slot's session out of it; handshakeKeys those
// of the handshake that waits for a person. Nothing but a test that looks into
// the structures can: there is no door for it.
func sessionKeys(t *testing.T, s *hsm.Slot, which string) []secret {
	t.Helper()
	return cut(t, "DKM of "+which, dig(t, s, "conn", "s", "keys", "buf", "b"), dkmParts)
}

func handshakeKeys(t *testing.T, s *hsm.Slot, which string) []secret {
	t.Helper()
	return cut(t, "K0 of "+which, dig(t, s, "conn", "u", "k0", "buf", "b"), k0Parts)
}

func cut(t *testing.T, which string, block []byte, parts []keyPart) (out []secret) {
	t.Helper()
	const macKey = 64
	rest := bytes.Clone(block[macKey:])
	for _, p := range parts {
		if len(rest) < p.size || bytes.Equal(rest[:p.size], make([]byte, p.size)) {
			t.Fatalf("%s: no %s", which, p.name)
		}
		out = append(out, secret{fmt.Sprintf("%s, %s", which, p.name), rest[:p.size]})
		rest = rest[p.size:]
	}
	if len(rest) != 0 {
		t.Fatalf("%s has %d bytes more than are known", which, len(rest))
	}
	return out
}

// dig follows unexported fields to a slice of bytes.
func dig(t *testing.T, from any, path ...string) []byte {
	t.Helper()
	v := reflect.ValueOf(from)
	for _, name := range path {
		for v.Kind() == reflect.Pointer {
			if v.IsNil() {
				t.Fatalf("nothing at %s of %v", name, path)
			}
			v = v.Elem()
		}
		if v = v.FieldByName(name); !v.IsValid() {
			t.Fatalf("there is no field %s any more: %v", name, path)
		}
		v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	}
	return v.Bytes()
}
