package audit

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// What somebody does to the file behind the back of a process that writes it is
// seen by the next Verify and by the next Append, which writes nothing over it.
func TestCutWhileRunning(t *testing.T) {
	_, other := filled(t, 3)
	anew, err := os.ReadFile(other.path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b func([]byte) []byte) func(string) error {
		return func(path string) error {
			old, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, b(old), 0o600)
		}
	}
	// Times have as many digits as they like, so another log may be longer than
	// this one: then it is cut in its last line.
	const another = "not the last record|not an audit record"
	for name, c := range map[string]struct {
		do    func(path string) error
		fault string // or any of several
		blind bool   // Append cannot know without reading all
	}{
		"cut to nothing":    {do: write(func([]byte) []byte { return nil }), fault: "1 to 3 at least"},
		"one record cut":    {do: write(func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] }), fault: "3 to 3 at least"},
		"removed":           {do: os.Remove, fault: "1 to 3 at least"},
		"moved away":        {do: func(p string) error { return os.Rename(p, p+".1") }, fault: "1 to 3 at least"},
		"lengthened":        {do: write(func(b []byte) []byte { return append(b, "x\n"...) })},
		"another whole one": {do: func(p string) error { return os.WriteFile(p, anew, 0o600) }, fault: another, blind: true},
		"replaced": {do: func(p string) error {
			if err := os.WriteFile(p+".new", anew, 0o600); err != nil {
				return err
			}
			return os.Rename(p+".new", p)
		}, fault: another},
	} {
		t.Run(name, func(t *testing.T) {
			path, l := filled(t, 3)
			if err := c.do(path); err != nil && runtime.GOOS == "windows" {
				return // nobody can, as long as it is open
			} else if err != nil {
				t.Fatal(err)
			}
			_, err := verify(l)
			if ce := (*ChainError)(nil); c.fault != "" && (!errors.As(err, &ce) || !slices.ContainsFunc(strings.Split(c.fault, "|"), func(f string) bool { return strings.Contains(ce.Fault, f) })) {
				t.Errorf("verify: %v, want %q", err, c.fault)
			}
			if _, err := records(l); c.fault != "" && err == nil {
				t.Error("visit saw nothing")
			}
			before, _ := os.ReadFile(path)
			if err := l.Append(sample(9)); !c.blind && !errors.Is(err, ErrTouched) {
				t.Errorf("append: %v", err)
			}
			if after, _ := os.ReadFile(path); !c.blind && !bytes.Equal(before, after) {
				t.Error("append changed the file")
			}
		})
	}
	// Put back, it goes on.
	if runtime.GOOS == "windows" {
		return
	}
	path, l := filled(t, 2)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(sample(2)); err == nil {
		t.Fatal("appended to a file that nobody will find")
	}
	if err := os.Rename(path+".1", path); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(sample(2)); err != nil {
		t.Fatal(err)
	}
	if n, err := verify(l); n != 3 || err != nil {
		t.Error(n, err)
	}
}

// A remembered record shows what was cut or written anew between two runs.
func TestKnownRecord(t *testing.T) {
	path, l := filled(t, 4)
	all, err := records(l)
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) Head { return Head{all[i-1].Seq, all[i-1].Hash} }
	check := func(what string, l *Log, known Head, fault string) {
		t.Helper()
		for how, err := range map[string]error{"check": l.Check(known), "verify": func() error { _, err := l.Verify(context.Background(), known); return err }()} {
			ce := (*ChainError)(nil)
			if errors.As(err, &ce) != (fault != "") || ce != nil && !strings.Contains(ce.Fault, fault) || ce == nil && err != nil {
				t.Errorf("%s, %s: %v, want %q", what, how, err, fault)
			}
		}
	}
	for i := range 4 {
		check("whole", l, at(i+1), "")
	}
	check("nothing known", l, Head{}, "")
	check("the future", l, Head{9, all[0].Hash}, "5 to 9 at least")
	check("another record", l, Head{2, all[0].Hash}, "not the record known")
	check("another last record", l, Head{4, all[0].Hash}, "not the record known")
	known := at(4)
	l.Close()

	raw, _ := os.ReadFile(path)
	lines := bytes.SplitAfter(raw, []byte("\n"))
	if err := os.WriteFile(path, bytes.Join(lines[:2], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, path)
	if n, err := verify(l); n != 2 || err != nil {
		t.Fatal(n, err) // nobody else can know
	}
	check("cut", l, known, "3 to 4 at least")
	check("cut behind it", l, at(2), "")
	for i := range 2 { // the numbers are used again
		if err := l.Append(sample(i)); err != nil {
			t.Fatal(err)
		}
	}
	check("cut and written on", l, known, "not the record known")
	l.Close()
	os.Remove(path)
	check("removed", open(t, path), known, "1 to 4 at least")
}

func TestMismatchStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path)
	for _, r := range []Record{sample(1), {Event: EventMismatch, Result: "why"}, sample(2)} {
		if err := l.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := verify(l); err == nil || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), "why") {
		t.Errorf("%v", err)
	}
	if all, err := records(l); len(all) != 3 || err != nil {
		t.Error(len(all), err)
	}
}

func TestVisitStops(t *testing.T) {
	_, l := filled(t, 5)
	enough, n := errors.New("enough"), 0
	err := l.Visit(func(Record) error {
		if n++; n == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 2 {
		t.Error(n, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Verify(ctx, Head{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
