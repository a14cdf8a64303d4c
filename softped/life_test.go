package softped

import (
	"testing"
	"time"

	"openped/protocol"
	"openped/protocol/channel"
)

// again opens the next session, for which nobody is asked anything.
func (r *rig) again() {
	r.t.Helper()
	r.begin(channel.ModeRPV, "")
	r.at("session.compute")
	r.auth()
	if err := r.finish(); err != nil {
		r.t.Fatal(err)
	}
	r.at("remote.ready")
}

// A session of a day is forgotten, without a frame; the orange key is not.
func TestSessionsEndAfterADay(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.session()
		for range 3 {
			l := r.p.conn.current()
			time.Sleep(24*time.Hour - time.Second)
			r.at("remote.ready")
			time.Sleep(2 * time.Second)
			r.at("idle")
			r.still()
			if _, err := l.s.Seal(nil); err == nil {
				t.Error("its keys are still there")
			}
			if e := r.state(); len(e.RPKs) != 1 {
				t.Errorf("the orange key went with it: %+v", e)
			}
			r.again()
		}
	})
}

// People in a dialogue are not interrupted by the PED's clock: that the session
// is over is the HSM's to say.
func TestSessionEndsAfterTheDialogue(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.session()
		time.Sleep(24*time.Hour - 10*time.Minute)
		auth := *authSO
		auth.TimeoutSec = 3600
		r.tell(&auth).at("login.insert")
		time.Sleep(20 * time.Minute)
		r.at("login.insert").press("<")
		hear[*protocol.Cancel](r)
		time.Sleep(time.Minute)
		r.at("idle")
		r.still()
		r.again()
	})
}

// A session whose records the PED's signs of life use up is closed properly, and
// the people are told to begin again.
func TestSessionUsedUp(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.p.limits.Records = 20
		r.session()
		r.tell(authSO).at("login.insert")
		time.Sleep(21 * activityEvery)
		r.at("notice.failed", "Session used up.")
		for n := 0; ; n++ {
			kind, _, err := r.hsm.s.Open(r.frame())
			if err != nil {
				t.Fatal(err)
			}
			if kind == channel.KindCloseNotify && n == 20 {
				break
			}
			if kind != channel.KindActivity {
				t.Fatalf("record %d: %v", n, kind)
			}
		}
		r.still().again()
		// The same when a message would be one too many.
		for range 20 {
			r.tell(&protocol.Info{})
			hear[*protocol.InfoReply](r)
		}
		r.p.conn.current().activity()
		if kind, _, err := r.hsm.s.Open(r.frame()); err != nil || kind != channel.KindCloseNotify {
			t.Errorf("%v, %v", kind, err)
		}
		r.at("idle")
	})
}
