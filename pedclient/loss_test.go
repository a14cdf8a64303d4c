package pedclient

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"openped/certs"
	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/secret"
)

// A PEDserver that freezes, or a network that swallows everything, shows in the
// status within 5 s.
func TestStatusIsTrueWithin5s(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "hsm")
	if _, err := CreateHSM(file, "7000001", "", filepath.Join(dir, "origin"), hsm.AuthPED); err != nil {
		t.Fatal(err)
	}
	root, err := certs.LoadOriginRoot(filepath.Join(dir, "origin"))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ped := hsmtest.NewPED(&hsmtest.Keyring{}, root.Cert)
		ped.Pair = true
		ped.Type("12345678")
		srv := &fakeServer{t: t, ped: ped}
		var far net.Conn
		c, err := New(Config{HSMFiles: []string{file}, Dial: func(context.Context, string, string) (net.Conn, error) {
			near, other := net.Pipe()
			far = other
			go srv.serve(other)
			return near, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s := c.slots[0]
		password := secret.Copy([]byte("12345678"))
		defer password.Destroy()
		if err := s.connect(context.Background(), way{Target: Target{Host: "h", Port: 1}}, password, func() {}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if !c.Status().Slots[0].Connected {
			t.Fatal("not connected")
		}
		// From now on the far end reads and says nothing.
		srv.freeze()
		defer far.Close()
		time.Sleep(5 * time.Second)
		if st := c.Status().Slots[0]; st.Connected || st.Reason == "" {
			t.Errorf("after 5 s: %+v", st)
		}
	})
}
