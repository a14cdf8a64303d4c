package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"openped/test/lab"
)

// hurtBound is within which a command has to end, well or not, when the PED's
// cable plays tricks; frames, answers and pings are all bounded by seconds.
const hurtBound = 30 * time.Second

// What comes from the PED is not what it sent: wrong lengths, numbers, sums, what
// is no frame at all, more than was asked for. The dialogue fails, in time; and as
// soon as the cable is good again everything works, and nothing was restarted.
func TestFullBytesThatAreNotThePEDs(t *testing.T) {
	be := binary.BigEndian
	for _, c := range []struct {
		name string
		hurt func([]byte) []byte
	}{
		{"length-short", func(b []byte) []byte { be.PutUint32(b[8:], be.Uint32(b[8:])-1); return b }},
		{"length-long", func(b []byte) []byte { be.PutUint32(b[8:], be.Uint32(b[8:])+1); return b }},
		{"length-enormous", func(b []byte) []byte { be.PutUint32(b[8:], 0xfffffff0); return b }},
		{"sequence", func(b []byte) []byte { be.PutUint32(b[4:], be.Uint32(b[4:])+1); return b }},
		{"checksum", func(b []byte) []byte { b[15] ^= 1; return b }},
		{"type", func(b []byte) []byte { b[2] = 0xee; return b }},
		{"magic", func(b []byte) []byte { b[0] = 0; return b }},
		{"flags", func(b []byte) []byte { b[3] = 0xff; return b }},
		{"twice", func(b []byte) []byte { return append(b, b...) }},
		{"cut", func(b []byte) []byte { return b[:len(b)/2] }},
		{"empty", func([]byte) []byte { return nil }},
		{"zeros", func(b []byte) []byte { clear(b); return b }},
		{"noise", func(b []byte) []byte { return noise(b, 1) }},
		{"flood", func(b []byte) []byte { return make([]byte, 16<<10) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRelay(t)
			l := begin(t, r, lab.Options{})
			connect(t, l)
			var hurt atomic.Int32
			r.set(func(x transfer) ([]byte, bool) {
				if !x.bulkIn() || len(x.data) < 16 || hurt.Add(1) > 3 {
					return x.data, true
				}
				b := c.hurt(append([]byte(nil), x.data...))
				return b[:min(len(b), int(x.wanted))], true
			})
			begun := time.Now()
			end, err := l.Perform(lab.Play{Command: login, People: lab.Everybody(), Limit: hurtBound * slow})
			if err != nil {
				t.Fatal(err)
			}
			if end.OK() || hurt.Load() == 0 {
				t.Fatalf("it did not hurt:\n%s", end)
			}
			if took := time.Since(begun); took > hurtBound {
				t.Errorf("it took %v", took)
			}
			t.Logf("%s after %v", end.Result, time.Since(begun).Round(time.Millisecond))
			r.set(nil)
			heals(t, l, r)
		})
	}
}

// heals: pedserver runs, has its PED again — after a replug at the latest — and
// everything works.
func heals(t *testing.T, l *lab.Lab, r *relay) {
	t.Helper()
	if !l.Server().Running() {
		t.Fatalf("pedserver has ended: %s", l.Server().LastWords())
	}
	if err := lab.Poll(10*time.Second, "the PED again", func() error {
		s, err := l.ServerStatus()
		if err == nil && !s.PED.Connected {
			err = fmt.Errorf("%+v", s.PED)
		}
		return err
	}); err != nil {
		t.Logf("replugged: %v", err)
		if d, err := find(serial(t, l)); err == nil {
			must(t, d.pull())
		}
		r.replug(t, l)
		ready(t, l)
	}
	connect(t, l)
	logInAndOut(t, l)
	unharmed(t, l)
}

// A PED that stops reading in the middle of a frame: the dialogue ends in time,
// and what comes after the replug is served.
func TestFullStopsReadingInTheMiddle(t *testing.T) {
	r := newRelay(t)
	l := begin(t, r, lab.Options{})
	connect(t, l)
	var taken atomic.Int32
	r.set(func(x transfer) ([]byte, bool) {
		if x.bulkOut() && taken.Add(int32(len(x.data))) > 600 {
			return nil, false // neither taken nor refused
		}
		return x.data, true
	})
	begun := time.Now()
	end, err := l.Perform(lab.Play{Command: login, People: lab.Everybody(), Limit: hurtBound * slow})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	t.Logf("%s after %v", end.Result, took.Round(time.Millisecond))
	if end.OK() {
		t.Fatalf("it logged in:\n%s", end)
	}
	if took > hurtBound {
		t.Errorf("it took %v", took)
	}
	r.set(nil)
	heals(t, l, r)
}

// Descriptors of devices that lie: whatever they say, pedserver goes on, answers,
// and opens a PED that comes afterwards.
func TestFullGarbageDescriptors(t *testing.T) {
	r := newRelay(t)
	l := prepare(t, r, lab.Options{})
	l.StartServer()
	l.StartClient()
	l.StartPED()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for i := range 40 {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		var lies atomic.Int32
		r.set(func(x transfer) ([]byte, bool) {
			// GET_DESCRIPTOR: the device, its configurations, its strings, the rest.
			if !x.result || x.endpoint != 0 || x.setup[0] != 0x80 || x.setup[1] != 6 || len(x.data) == 0 {
				return x.data, true
			}
			lies.Add(1)
			b := append([]byte(nil), x.data...)
			for range 1 + random.IntN(3) {
				switch random.IntN(4) {
				case 0:
					b[random.IntN(len(b))] = byte(random.Uint32())
				case 1:
					b[random.IntN(len(b))] ^= 1 << random.IntN(8)
				case 2:
					b = b[:1+random.IntN(len(b))]
				case 3: // as long as the host lets it
					b = noise(make([]byte, x.wanted), random.Uint64())
				}
			}
			return b, true
		})
		r.replug(t, l)
		l.Poll(0, "descriptors asked for", func() error {
			if lies.Load() == 0 {
				return errors.New("nothing was asked")
			}
			return nil
		})
		time.Sleep(300 * time.Millisecond) // the kernel asks several times, pedserver looks at what it made of it
		if _, err := l.ServerStatus(); err != nil {
			t.Fatalf("seed %d, time %d: pedserver does not answer: %v", seed, i, err)
		}
		detachAll()
	}
	r.set(nil)
	if !l.Server().Running() {
		t.Fatal(l.Server().LastWords())
	}
	r.replug(t, l)
	ready(t, l)
	connect(t, l)
	logInAndOut(t, l)
	unharmed(t, l)
}

// detachAll pulls every cable of the virtual host controller, also of devices that
// the kernel never got to know.
func detachAll() {
	for port := range 8 {
		_ = detach(port)
	}
	_ = lab.Poll(5*time.Second, "all ports free", func() error {
		if _, n := ports(); n > 0 {
			return fmt.Errorf("%d ports are taken", n)
		}
		return nil
	})
}

func noise(b []byte, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}
