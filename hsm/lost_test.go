package hsm_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

// deadConn is over before it begins.
type deadConn struct{}

func (deadConn) Send(context.Context, []byte) error   { return io.EOF }
func (deadConn) Recv(context.Context) ([]byte, error) { return nil, io.EOF }
func (deadConn) Close() error                         { return nil }

func TestDeadOnArrival(t *testing.T) {
	h, _ := ready(t)
	want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
	for range 500 {
		want(t, h.Slot.Connect(t.Context(), deadConn{}, hsm.ConnectOptions{}), hsmapi.CKR_PED_UNPLUGGED)
	}
	if h.Slot.Connected().Connected {
		t.Error("connected")
	}
}

// slowConn takes its time to close.
type slowConn struct{ *hsmtest.Conn }

func (c slowConn) Close() error { time.Sleep(time.Second); return c.Conn.Close() }

// A lost connection is known at once and its keys are gone, however long it
// takes to close and whoever connects meanwhile.
func TestLostConnectionIsBuried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		raw := p.Connect()
		want(t, h.Slot.Connect(t.Context(), slowConn{raw}, hsm.ConnectOptions{}), hsmapi.CKR_OK)
		_, err := h.Login(p, blue[0], blue[1])
		want(t, err, hsmapi.CKR_OK)
		old := h.Slot.Session()
		raw.Cut()
		synctest.Wait()
		if h.Slot.Connected().Connected {
			t.Error("still connected")
		}
		h.MustConnect(p, "")
		if _, err := old.Seal([]byte("x")); err == nil {
			t.Error("the keys of a lost session live on")
		}
		_, err = h.Login(p, blue[0], blue[1])
		want(t, err, hsmapi.CKR_OK)
		time.Sleep(2 * time.Second) // the slow one has closed, too
		h.Kill()
	})
}

// Until PedAuth anybody may be at the other end: activity alone does not hold
// the slot for ever.
func TestActivityAloneIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		p.ForgetOrange(true)
		p.Clear()
		h.MustConnect(p, "")
		begin := time.Now()
		_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
		want(t, err, hsmapi.CKR_PED_TIMEOUT)
		if d := time.Since(begin); d != 4*time.Hour {
			t.Errorf("busy for %v", d)
		}
		h.Kill()
	})
}

// A PED that shows a key which is refused again and again fills no audit log.
func TestRefusalsAreBounded(t *testing.T) {
	h, p := ready(t)
	p.Insert(blue[0])
	for range 100 {
		p.Insert(blue[0])
	}
	before := h.Audit.Head().Seq
	_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
	want(t, err, hsmapi.CKR_PED_KEY_FAULT)
	if after := h.Audit.Head().Seq; after-before > 80 {
		t.Errorf("%d records", after-before)
	}
	if n := failures(h); n != 0 {
		t.Errorf("%d failures counted", n)
	}
}

// What a PED that failed to prove itself calls itself is not in the audit log.
func TestUnprovenPEDIsNotNamed(t *testing.T) {
	h := hsmtest.NewHSM(t, "1234567", "")
	p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
	p.Pair = true
	p.Auth = func(in *channel.AuthInput) { in.Serial = "LIAR" }
	p.Type("00000000")
	a := p.Connect()
	digits := secret.Copy([]byte("12345678"))
	want(t, h.Slot.Connect(t.Context(), a, hsm.ConnectOptions{Password: digits}), hsmapi.CKR_PED_AUTH_FAILED)
	refused := false
	for _, r := range h.Records() {
		refused = refused || r.Event == "ped-session"
		if r.PED != "" {
			t.Errorf("%+v", r)
		}
	}
	if !refused {
		t.Error("the failed handshake is not recorded")
	}
}
