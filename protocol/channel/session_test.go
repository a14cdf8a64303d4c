package channel_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"openped/protocol/channel"
	"openped/protocol/channel/channeltest"
)

func (s *setup) session(t *testing.T, limits channel.Limits) channeltest.Result {
	t.Helper()
	r, err := s.run(channel.ModeLocal, func(u *channel.UConfig, v *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
		u.Limits, v.Limits = limits, limits
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSessionLimits(t *testing.T) {
	s := newSetup()
	for name, c := range map[string]struct {
		limits channel.Limits
		worn   int // records of 256 bytes until it is worn
		n      int // and that pass
	}{
		// The handshake's own records count by themselves.
		"few records":  {channel.Limits{Records: 5}, 5, 5},
		"many records": {channel.Limits{Records: 48}, 45, 48},
		"bytes":        {channel.Limits{Bytes: 48 * 256}, 45, 48},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.session(t, c.limits)
			for i := range c.n {
				if want := i >= c.worn; r.HSM.Worn() != want || r.PED.Worn() != want {
					t.Fatalf("after %d records: worn %v and %v", i, r.HSM.Worn(), r.PED.Worn())
				}
				rec, err := r.HSM.Seal([]byte{1})
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := r.PED.Open(rec); err != nil {
					t.Fatal(err)
				}
			}
			if !r.HSM.Worn() || !r.PED.Worn() {
				t.Error("not worn")
			}
			if _, err := r.HSM.Seal(nil); !errors.Is(err, channel.ErrExpired) {
				t.Errorf("one record more: %v", err)
			}
			// The peer does not take one either, were it made.
			if _, _, err := r.PED.Clone().Open(r.HSM.Clone().SealRaw(channel.TypeData, nil)); !errors.Is(err, channel.ErrExpired) || !errors.Is(err, channel.ErrRefused) {
				t.Errorf("opening one record more: %v", err)
			}
			rec, err := r.HSM.Close()
			if err != nil {
				t.Fatalf("close: %v", err)
			}
			if kind, _, err := r.PED.Open(rec); kind != channel.KindCloseNotify || err != nil {
				t.Errorf("close_notify: %v, %v", kind, err)
			}
		})
	}
	t.Run("defaults", func(t *testing.T) {
		r := s.session(t, channel.Limits{Records: 1 << 60, Bytes: 1 << 60})
		r.HSM.SkipTo(1<<32-1, 0)
		if _, err := r.HSM.Seal(nil); err != nil {
			t.Fatal(err)
		}
		if _, err := r.HSM.Seal(nil); !errors.Is(err, channel.ErrExpired) {
			t.Errorf("record 2^32: %v", err)
		}
		r.PED.SkipTo(7, 64<<30-256)
		if _, err := r.PED.Seal(make([]byte, 300)); !errors.Is(err, channel.ErrExpired) {
			t.Errorf("512 bytes with 256 left of 64 GiB: %v", err)
		}
		if _, err := r.PED.Seal(nil); err != nil {
			t.Error(err)
		}
		if !r.PED.Worn() {
			t.Error("not worn at 64 GiB")
		}
	})
}

func TestSessionClose(t *testing.T) {
	r := newSetup().session(t, channel.Limits{})
	if r.PED.PeerClosed() {
		t.Error("closed before close_notify: a cut would not be seen")
	}
	last, err := r.HSM.Close()
	if err != nil {
		t.Fatal(err)
	}
	if kind, _, err := r.PED.Open(last); kind != channel.KindCloseNotify || err != nil || !r.PED.PeerClosed() {
		t.Fatal(kind, err)
	}
	if _, err := r.HSM.Seal(nil); !errors.Is(err, channel.ErrClosed) {
		t.Errorf("sealing after close: %v", err)
	}
	if _, err := r.HSM.Close(); !errors.Is(err, channel.ErrClosed) {
		t.Errorf("closing twice: %v", err)
	}
	// The other direction still works.
	rec, err := r.PED.Seal([]byte("late"))
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := r.HSM.Open(rec); err != nil || string(got) != "late" {
		t.Errorf("after close_notify the other way: %v", err)
	}
	// Nothing follows close_notify.
	if _, _, err := r.PED.Open(last); !errors.Is(err, channel.ErrClosed) || !r.PED.Wiped() {
		t.Errorf("record after close_notify: %v", err)
	}
	// close_notify that names another end than its own is a lie.
	r = newSetup().session(t, channel.Limits{})
	if _, _, err := r.PED.Open(r.HSM.SealRaw(channel.TypeClose, []byte{0, 0, 0, 0, 0, 0, 0, 1})); !errors.Is(err, channel.ErrRefused) {
		t.Errorf("close_notify of another record: %v", err)
	}
}

func TestSessionMisuse(t *testing.T) {
	r := newSetup().session(t, channel.Limits{})
	if _, err := r.HSM.Seal(make([]byte, channel.MaxPayload+1)); !errors.Is(err, channel.ErrConfig) {
		t.Errorf("over-long payload: %v", err)
	}
	if _, err := r.HSM.Activity(); !errors.Is(err, channel.ErrConfig) {
		t.Errorf("activity of the HSM: %v", err)
	}
	for name, l := range map[string]channel.Label{
		"no serial":      {Op: 1, Role: 1},
		"no operation":   {Role: 1, Serial: "1"},
		"no role":        {Op: 1, Serial: "1"},
		"serial of 33":   {Op: 1, Role: 1, Serial: "123456789012345678901234567890123"},
		"unprintable":    {Op: 1, Role: 1, Serial: "1\n"},
		"unknown role":   {Op: 1, Role: 99, Serial: "1"},
		"unknown action": {Op: 99, Role: 1, Serial: "1"},
	} {
		if _, err := r.HSM.WrapSecret(l, []byte{1}); !errors.Is(err, channel.ErrConfig) {
			t.Errorf("wrapping under a label with %s: %v", name, err)
		}
	}
	for _, n := range []int{0, channel.MaxSecret + 1} {
		if _, err := r.HSM.WrapSecret(testLabel, make([]byte, n)); !errors.Is(err, channel.ErrConfig) {
			t.Errorf("wrapping %d bytes: %v", n, err)
		}
	}
	r.HSM.Wipe()
	r.HSM.Wipe()
	_, err1 := r.HSM.Seal(nil)
	_, _, err2 := r.HSM.Open(nil)
	_, err3 := r.HSM.WrapSecret(testLabel, []byte{1})
	_, err4 := r.HSM.UnwrapSecret(testLabel, nil)
	_, err5 := r.HSM.Close()
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if !errors.Is(err, channel.ErrDead) || !errors.Is(err, channel.ErrRefused) {
			t.Errorf("call %d on a wiped session: %v", i, err)
		}
	}
}

// TestSessionGoroutines is for the race detector.
func TestSessionGoroutines(t *testing.T) {
	r := newSetup().session(t, channel.Limits{})
	in, out := make(chan []byte, 100), make(chan []byte, 100)
	var wg sync.WaitGroup
	for _, side := range []struct {
		s        *channel.Session
		from, to chan []byte
	}{{r.HSM, in, out}, {r.PED, out, in}} {
		wg.Go(func() {
			for range 50 {
				rec, err := side.s.Seal([]byte("x"))
				if err != nil {
					t.Error(err)
				}
				side.to <- rec
			}
		})
		wg.Go(func() {
			for range 50 {
				if _, _, err := side.s.Open(<-side.from); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r.HSM.Wipe()
}

func TestAppend(t *testing.T) {
	r := newSetup().session(t, channel.Limits{})
	rec, err := r.HSM.AppendSeal([]byte("head"), []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	if string(rec[:4]) != "head" || len(rec) != 4+channel.RecordSize(7) {
		t.Errorf("sealed %d bytes after %q", len(rec)-4, rec[:4])
	}
	sent := bytes.Clone(rec[4:])
	kind, got, err := r.PED.AppendOpen([]byte("head "), rec[4:])
	if err != nil || kind != channel.KindData || string(got) != "head payload" {
		t.Errorf("%v, %q, %v", kind, got, err)
	}
	if !bytes.Equal(sent, rec[4:]) {
		t.Error("Open changed the record")
	}
}

// TestRecordSequence: a record that is not the next one is refused for that,
// before its tag is even looked at.
func TestRecordSequence(t *testing.T) {
	r := newSetup().session(t, channel.Limits{})
	var recs [3][]byte
	for i := range recs {
		var err error
		if recs[i], err = r.HSM.Seal([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := r.PED.Open(recs[0]); err != nil {
		t.Fatal(err)
	}
	for name, rec := range map[string][]byte{"replayed": recs[0], "skipping one": recs[2]} {
		s := r.PED.Clone()
		if _, _, err := s.Open(rec); !errors.Is(err, channel.ErrRecord) || !strings.Contains(err.Error(), "sequence") || !s.Wiped() {
			t.Errorf("%s: %v", name, err)
		}
	}
}
