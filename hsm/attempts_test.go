package hsm_test

import (
	"context"
	"io"
	"testing"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

func TestThirdFailureZeroizes(t *testing.T) {
	h, p := ready(t)
	g, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
	asked := 0
	console := hsmtest.Console{Yes: true, Asked: func(q hsm.Prompt) {
		if q.ID != hsmapi.PromptLastAttempt || q.AttemptsLeft != 1 || q.Role != protocol.RoleSO {
			t.Errorf("asked %+v", q)
		}
		asked++
	}}
	for i := range 3 {
		p.Insert(wrong(blue[0]), blue[1])
		_, err := h.Slot.Login(t.Context(), protocol.RoleSO, console)
		if i < 2 {
			want(t, err, hsmapi.CKR_PIN_INCORRECT)
		} else {
			want(t, err, hsmapi.CKR_HSM_ZEROIZED)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times at the console, want once, before the last attempt", asked)
	}
	last := false
	for _, m := range p.Messages() {
		if a, ok := m.(*protocol.Authenticate); ok {
			last = a.LastTry
		}
	}
	if !last {
		t.Error("the PED was not told that it is the last try")
	}
	check := func() {
		t.Helper()
		st := h.State()
		if !st.Zeroized || len(st.Roles) != 0 || st.RPV != nil || st.Label != "" {
			t.Errorf("zeroized HSM keeps %+v", st)
		}
	}
	check()
	if g.Valid() {
		t.Error("a login survived")
	}
	if i := h.Slot.Info(); i.PED.Connected || !i.Zeroized || i.RPVInitialized {
		t.Errorf("info: %+v", i)
	}
	h.Restart()
	check()
	want(t, h.Slot.CheckConnect(false), hsmapi.CKR_RPV_NOT_INITIALIZED)
	// The way back is a new HSM's.
	p.Type("87654321")
	h.MustConnect(p, "87654321")
	p.Choose(hsmtest.Choice{M: 1, N: 1})
	p.Insert(hsmtest.Insert{Key: "orange", PIN: "5555"}, hsmtest.Insert{Key: "orange", PIN: "5555"})
	want(t, h.Slot.InitRPV(t.Context(), nil, nil), hsmapi.CKR_OK)
	h.Init(p)
	if _, err := h.Login(p, blue[0], blue[1]); err != nil {
		t.Error(hsmtest.Describe(err))
	}
}

func TestLastAttemptNeedsTheConsole(t *testing.T) {
	h, p := ready(t)
	for range 2 {
		_, err := h.Login(p, wrong(blue[0]), blue[1])
		want(t, err, hsmapi.CKR_PIN_INCORRECT)
	}
	asked := func() (n int) {
		for _, m := range p.Messages() {
			if _, ok := m.(*protocol.Authenticate); ok {
				n++
			}
		}
		return n
	}
	before := asked()
	for _, console := range []hsm.Prompter{nil, hsmtest.Console{Yes: false}, brokenConsole{}} {
		_, err := h.Slot.Login(t.Context(), protocol.RoleSO, console)
		want(t, err, hsmapi.CKR_FUNCTION_CANCELED)
	}
	if n := failures(h); n != 2 || asked() != before {
		t.Errorf("%d failures, the PED was asked %d times without consent", n, asked()-before)
	}
	_, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
}

type brokenConsole struct{}

func (brokenConsole) Prompt(context.Context, hsm.Prompt) (bool, error) { return true, io.EOF }
func (brokenConsole) Notice(hsm.Notice)                                {}

// ⚠ An attempt is counted on disk before the shares are joined: whoever cuts the
// power when the verdict is due has used up an attempt all the same. To take the
// rule out: move o.cer.count(sp) in verdict behind the unsealing.
func TestThiefCutsPowerBeforeTheVerdict(t *testing.T) {
	h, p := ready(t)
	// After a restart two writes belong to the handshake.
	for i, write := range []int{1, 3} {
		h.CrashAt(write, true)
		_, err := h.Login(p, blue[0], blue[1]) // even the right keys: nobody knows yet
		want(t, err, hsmapi.CKR_DEVICE_ERROR)
		h.Restart()
		if n := failures(h); n != i+1 {
			t.Fatalf("%d failures after %d cuts", n, i+1)
		}
		p.Clear()
		h.MustConnect(p, "")
	}
	// The third cut spends the last attempt: the consequence waits for nobody.
	h.CrashAt(3, true)
	_, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_DEVICE_ERROR)
	h.Restart()
	if st := h.State(); !st.Zeroized || len(st.Roles) != 0 {
		t.Error("the HSM survived three attempts without a known success")
	}
}

// If the count cannot be stored there is no verdict.
func TestNoVerdictWithoutCount(t *testing.T) {
	h, p := ready(t)
	before := len(p.Messages())
	h.CrashAt(1, false)
	_, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_DEVICE_ERROR)
	for _, m := range p.Messages()[before:] {
		if r, ok := m.(*protocol.ShareResult); ok && (r.Status == protocol.ShareDone || r.Status == protocol.ShareFailed) {
			t.Errorf("verdict %v without a durable count", r.Status)
		}
	}
}
