package hsm_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/audit"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// A log that was cut, removed or written anew while the HSM was down is noticed
// at its start, and from then on it does not verify.
func TestAuditLogIsAnchored(t *testing.T) {
	other := hsmtest.NewHSM(t, "7654321", "")
	for range 20 {
		other.Restart()
	}
	other.Kill()
	foreign, err := os.ReadFile(other.Path + ".audit")
	if err != nil {
		t.Fatal(err)
	}
	lines := func(b []byte, n int) []byte { // without the last n
		l := bytes.SplitAfter(b, []byte("\n"))
		return bytes.Join(l[:len(l)-1-n], nil)
	}
	for name, c := range map[string]struct {
		do    func([]byte) []byte // nil: remove the file
		fault string
	}{
		"untouched":       {func(b []byte) []byte { return b }, ""},
		"last record cut": {func(b []byte) []byte { return lines(b, 1) }, "missing"},
		"torn":            {func(b []byte) []byte { return b[:len(b)-20] }, "not the record known"},
		"cut to nothing":  {func([]byte) []byte { return nil }, "missing"},
		"removed":         {nil, "missing"},
		"another log":     {func([]byte) []byte { return foreign }, "not the record known"},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := ready(t) // its last words are those of a ceremony and of Close
			h.Kill()
			path := h.Path + ".audit"
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if c.do == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, c.do(b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			h.Start()
			i := slices.IndexFunc(h.Records(), func(r audit.Record) bool { return r.Event == audit.EventMismatch })
			_, verr := h.Audit.Verify(t.Context(), audit.Head{})
			if (i >= 0) != (c.fault != "") || (verr != nil) != (c.fault != "") {
				t.Fatalf("record %d, verify: %v", i, verr)
			}
			if i >= 0 && !strings.Contains(h.Records()[i].Result, c.fault) {
				t.Errorf("says %q, want %q", h.Records()[i].Result, c.fault)
			}
			// Once is enough: the new chain is now the known one.
			h.Restart()
			n := 0
			for _, r := range h.Records() {
				if r.Event == audit.EventMismatch {
					n++
				}
			}
			if n > 1 {
				t.Errorf("%d records of it", n)
			}
		})
	}
}

// Each write of the state names the newest record before it, a ceremony's end
// and the start the newest there is; a crash makes no false alarm.
func TestAnchorKeepsUp(t *testing.T) {
	h, p := ready(t)
	if a := h.State().Audit; a != h.Audit.Head() || a.Seq == 0 {
		t.Errorf("after a ceremony the state knows %v, and the newest is %v", a, h.Audit.Head())
	}
	for n := 1; n <= 4; n++ {
		h.CrashAt(n, n%2 == 0)
		_, _ = h.Login(p, blue[0], blue[1])
		p.Clear()
		h.Restart()
		if a := h.State().Audit; a != h.Audit.Head() {
			t.Errorf("after a start the state knows %v, and the newest is %v", a, h.Audit.Head())
		}
		if _, err := h.Audit.Verify(t.Context(), h.State().Audit); err != nil {
			t.Errorf("crash %d: %v", n, err)
		}
		h.MustConnect(p, "")
		p.Insert(orange)
		if _, err := h.Login(p, blue[0], blue[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// Records and the error for a busy slot say who asked.
func TestCaller(t *testing.T) {
	h, p := ready(t)
	ctx := t.Context()
	p.Insert(blue[0], blue[1])
	g, err := h.Slot.Login(hsm.WithCaller(ctx, "uid 1001 pid 7"), protocol.RoleSO, nil)
	want(t, err, hsmapi.CKR_OK)
	g.Release()
	events := map[string]bool{}
	for _, r := range h.Records() {
		if r.Caller == "uid 1001 pid 7" {
			events[r.Event+" "+r.Result] = true
		}
	}
	for _, e := range []string{"role login begin", "role login done", "role logout done"} {
		if !events[e] {
			t.Errorf("%q has no caller", e)
		}
	}
	done, asked, free := make(chan error), make(chan bool), make(chan bool)
	go func() { // a question at the console, not answered
		done <- h.Slot.InitHSM(hsm.WithCaller(ctx, "uid 1002 pid 8"), hsm.InitOptions{Label: "x", Grant: login(t, h, p)},
			hsmtest.Console{Asked: func(hsm.Prompt) { close(asked); <-free }})
	}()
	<-asked
	if i := h.Slot.Info(); i.CeremonyCaller != "uid 1002 pid 8" {
		t.Errorf("%+v", i)
	}
	_, err = h.Slot.Login(ctx, protocol.RoleSO, nil)
	e := want(t, err, hsmapi.CKR_OPERATION_ACTIVE)
	if e == nil || !strings.Contains(e.Msg, "hsm init by uid 1002 pid 8 has been running for 0 s, since ") {
		t.Errorf("%v", e)
	}
	close(free)
	want(t, <-done, hsmapi.CKR_FUNCTION_CANCELED)
}

func login(t *testing.T, h *hsmtest.HSM, p *hsmtest.PED) *hsm.Grant {
	g, err := h.Login(p, blue[0], blue[1])
	if err != nil {
		t.Error(err)
	}
	return g
}
