package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func sample(i int) Record {
	return Record{Ceremony: "c0ffee", Slot: 1, HSM: "1234567", Event: "login", Role: "so",
		Keys: []string{fmt.Sprint(i), `quote " and ,"hash":"`}, Result: "done"}
}

func ignore(Record) error { return nil }

func records(l *Log) (all []Record, err error) {
	err = l.Visit(func(r Record) error { all = append(all, r); return nil })
	return all, err
}

func verify(l *Log) (n int, err error) {
	last, err := l.Verify(context.Background(), Head{})
	return int(last.Seq), err
}

func filled(t *testing.T, n int) (string, *Log) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path)
	for i := range n {
		if err := l.Append(sample(i)); err != nil {
			t.Fatal(err)
		}
	}
	return path, l
}

// A clock that is set back or forth, by a day or by decades, shows in the log
// and breaks nothing: order is the chain's, distances are those of mono_ns.
func TestClockJumps(t *testing.T) {
	path, l := filled(t, 1)
	now := time.Now()
	for i, by := range []time.Duration{24 * time.Hour, -24 * time.Hour, 70 * 365 * 24 * time.Hour, -50 * 365 * 24 * time.Hour, 0} {
		r := sample(i + 1)
		r.Time = now.Add(by)
		if err := l.Append(r); err != nil {
			t.Fatalf("%v: %v", by, err)
		}
	}
	l.Close()
	l = open(t, path)
	if n, err := verify(l); n != 6 || err != nil {
		t.Errorf("verify: %d, %v", n, err)
	}
	all, err := records(l)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range all[1:] {
		if d := r.MonoNs - all[i].MonoNs; d <= 0 || d > int64(time.Minute) {
			t.Errorf("record %d is %v after the one before", r.Seq, time.Duration(d))
		}
	}
}

func TestAppendReopenVerify(t *testing.T) {
	path, l := filled(t, 3)
	l.Close()
	if err := l.Append(sample(9)); err == nil {
		t.Error("appended to a closed log")
	}
	l = open(t, path)
	if err := l.Append(sample(3)); err != nil {
		t.Fatal(err)
	}
	all, err := records(l)
	if err != nil || len(all) != 4 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	for i, r := range all {
		if r.Seq != uint64(i)+1 || r.Time.IsZero() || r.Time.Location() != time.UTC || r.Keys[0] != fmt.Sprint(i) {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if n, err := verify(l); n != 4 || err != nil {
		t.Errorf("verify: %d, %v", n, err)
	}
	if h := l.Head(); h.Seq != 4 || h.Hash != all[3].Hash {
		t.Error("head is not the newest record")
	}
	if st, _ := os.Stat(path); runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
}

// Every single changed byte is found, and so is a record removed, repeated or
// moved; a cut at the end of a record is not the chain's to show (TestCut).
func TestTamper(t *testing.T) {
	path, _ := filled(t, 3)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	count := func(b []byte) uint64 { h, _ := walk(bytes.NewReader(b), ignore); return h.Seq }
	if count(good) != 3 {
		t.Fatal("good log does not verify")
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1
		if h, err := walk(bytes.NewReader(b), ignore); h.Seq == 3 && err == nil {
			t.Fatalf("byte %d changed and not found", i)
		}
	}
	lines := bytes.SplitAfter(good, []byte("\n"))
	a, b, c := lines[0], lines[1], lines[2]
	for name, parts := range map[string][][]byte{
		"first removed": {b, c}, "middle removed": {a, c}, "repeated": {a, a, b, c},
		"moved": {a, c, b}, "empty line": {a, []byte("\n"), b, c},
	} {
		_, err := walk(bytes.NewReader(bytes.Join(parts, nil)), ignore)
		if ce := (*ChainError)(nil); !errors.As(err, &ce) {
			t.Errorf("%s: %v, want a ChainError", name, err)
		}
	}
}

func TestTornEnd(t *testing.T) {
	path, l := filled(t, 2)
	l.Close()
	good, _ := os.ReadFile(path)
	second := bytes.IndexByte(good, '\n') + 1
	for cut := second + 1; cut < len(good); cut += 37 {
		for _, tail := range []string{"", "\x00\x00\x00", "\n"} {
			p := filepath.Join(t.TempDir(), "audit.log")
			torn := good[second:cut]
			if err := os.WriteFile(p, append(bytes.Clone(good[:cut]), tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			l := open(t, p)
			all, err := records(l)
			if err != nil || len(all) != 2 || all[1].Event != EventRecovered {
				t.Fatalf("cut %d %q: %+v, %v", cut, tail, all, err)
			}
			aside, _ := os.ReadFile(p + ".torn")
			if !bytes.HasPrefix(aside, torn) {
				t.Fatalf("cut %d: torn part not kept", cut)
			}
		}
	}
}

func TestTornFirstLine(t *testing.T) {
	p := filepath.Join(t.TempDir(), "audit.log")
	os.WriteFile(p, []byte(`{"seq":1,`), 0o600)
	l := open(t, p)
	if n, err := verify(l); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestForeignFileIsLeftAlone(t *testing.T) {
	p := filepath.Join(t.TempDir(), "audit.log")
	text := strings.Repeat("this is somebody's diary\n", 5)
	os.WriteFile(p, []byte(text), 0o600)
	if _, err := Open(p); err == nil {
		t.Error("opened a foreign file")
	}
	if b, _ := os.ReadFile(p); string(b) != text {
		t.Error("changed a foreign file")
	}
}

func TestBounds(t *testing.T) {
	_, l := filled(t, 0)
	if err := l.Append(Record{Event: strings.Repeat("x", MaxField+1)}); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	if err := l.Append(Record{Keys: make([]string, MaxKeys+1)}); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	// The largest allowed record, all of it escaped, still fits and reads back.
	big := strings.Repeat("x", MaxField)
	keys := make([]string, MaxKeys)
	for i := range keys {
		keys[i] = big
	}
	if err := l.Append(Record{Event: big, Keys: keys}); err != nil {
		t.Fatal(err)
	}
	if n, err := verify(l); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// A failed append takes its half line back and the log goes on.
func TestWriteFailure(t *testing.T) {
	path, l := filled(t, 1)
	f := l.f
	ro, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	l.f = ro
	if err := l.Append(sample(1)); err == nil {
		t.Fatal("append through a read-only handle")
	}
	l.f, l.bad = f, nil
	if err := l.Append(sample(1)); err != nil {
		t.Fatal(err)
	}
	if n, err := verify(l); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestConcurrent(t *testing.T) {
	_, l := filled(t, 0)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				if err := l.Append(sample(i)); err != nil {
					t.Error(err)
				}
				if _, err := verify(l); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := verify(l); n != 40 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func FuzzAudit(f *testing.F) {
	r := sample(1)
	r.Seq, r.Prev, r.Time = 1, genesis, time.Unix(1, 0).UTC()
	line, err := encode(&r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add(append(bytes.Clone(line), line...))
	f.Add(line[:len(line)/2])
	f.Add([]byte("\n\n"))
	f.Add([]byte(`{"seq":1,"hash":"` + genesis + `"}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := walk(bytes.NewReader(b), ignore)
		if err == nil && h.Seq > uint64(bytes.Count(b, []byte("\n")))+1 {
			t.Fatal("more records than lines")
		}
		p := filepath.Join(t.TempDir(), "a")
		os.WriteFile(p, b, 0o600)
		l, err := Open(p)
		if err != nil {
			return
		}
		defer l.Close()
		before, _ := verify(l)
		if err := l.Append(sample(0)); err != nil {
			t.Fatal(err)
		}
		if _, verr := walk(bytes.NewReader(b), ignore); verr == nil {
			if after, err := verify(l); err != nil || after != before+1 {
				t.Fatalf("%d then %d, %v", before, after, err)
			}
		}
	})
}
