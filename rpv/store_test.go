package rpv

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"openped/internal/atomicfile"
	"openped/protocol"
)

var _ Store = DirStore{}

func TestDirStore(t *testing.T) {
	d := DirStore{t.TempDir()}
	k := fullKey(t)
	if err := d.Save("blue-1", k); err != nil {
		t.Fatal(err)
	}
	if err := d.Save("Alice.v2", NewBlank()); err != nil {
		t.Fatal(err)
	}
	// What is not a key's name is not listed.
	for _, n := range []string{"notes.txt", ".hidden.pedkey", "a b.pedkey", ".pedkey"} {
		if err := os.WriteFile(filepath.Join(d.Dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(d.Dir, "folder.pedkey"), 0o700); err != nil {
		t.Fatal(err)
	}
	names, err := d.List()
	if err != nil || strings.Join(names, " ") != "Alice.v2 blue-1" {
		t.Fatalf("%q %v", names, err)
	}
	st, err := os.Stat(filepath.Join(d.Dir, "blue-1.pedkey"))
	if err != nil || st.Mode().Perm() != 0o600 && os.PathSeparator == '/' {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	got, err := d.Load("blue-1")
	if err != nil || string(encode(t, got)) != string(encode(t, k)) {
		t.Fatal(err)
	}
	if err := got.Promote(got.Pending.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a loaded key can be saved, again and again
		if err := d.Save("blue-1", got); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := d.Load("blue-1"); err != nil || again.Pending != nil || again.Current.ID != got.Current.ID {
		t.Errorf("not durable: %v", err)
	}
	for _, left := range []string{".lock", "*.tmp", ".*.tmp"} {
		if m, _ := filepath.Glob(filepath.Join(d.Dir, left)); len(m) != 0 {
			t.Errorf("left behind: %q", m)
		}
	}
}

func TestNames(t *testing.T) {
	d := DirStore{t.TempDir()}
	for _, name := range []string{"", ".", "..", "../x", "a/b", `a\b`, "a b", ".x", "a\x00", "ä", "C:x", strings.Repeat("x", 65)} {
		_, err := d.Load(name)
		_, err2 := d.Hold(name)
		if err3 := d.Save(name, NewBlank()); !errors.Is(err, ErrName) || !errors.Is(err2, ErrName) || !errors.Is(err3, ErrName) {
			t.Errorf("%q: %v, %v, %v", name, err, err2, err3)
		}
	}
	for _, name := range []string{"a", "A-1_b.c", strings.Repeat("x", 64)} {
		if err := d.Save(name, NewBlank()); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Nobody's change is lost, and no key is overwritten by mistake.
func TestSaveRefuses(t *testing.T) {
	d := DirStore{t.TempDir()}
	if err := d.Save("k", fullKey(t)); err != nil {
		t.Fatal(err)
	}
	if err := d.Save("k", NewBlank()); !errors.Is(err, ErrExists) {
		t.Errorf("new key over an old one: %v", err)
	}
	a, err := d.Load("k")
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Load("k")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.CheckCounter(Fingerprint{9}, 1000), d.Save("k", a)); err != nil {
		t.Fatal(err)
	}
	if err := d.Save("k", b); !errors.Is(err, ErrChanged) {
		t.Errorf("over another's change: %v", err)
	}
	if got, err := d.Load("k"); err != nil || got.Current.Counters[Fingerprint{9}] != 1000 {
		t.Errorf("the change is lost: %v", err)
	}
	// A key pulled out and put away does not come back by itself.
	if err := os.Remove(filepath.Join(d.Dir, "k.pedkey")); err != nil {
		t.Fatal(err)
	}
	if err := d.Save("k", a); !errors.Is(err, ErrNoKey) {
		t.Errorf("to a file that is gone: %v", err)
	}
	if err := d.Save("other", a); !errors.Is(err, ErrNoKey) {
		t.Errorf("under another name: %v", err)
	}
}

// Every fault is one line that names file, cause and remedy.
func TestFaults(t *testing.T) {
	d := DirStore{t.TempDir()}
	good := encode(t, fullKey(t))
	newer := append([]byte{}, good...)
	newer[9] = 2
	damaged := append([]byte{}, good...)
	damaged[100] ^= 1
	for name, b := range map[string][]byte{"empty": {}, "cut": good[:500], "foreign": []byte("%PDF-1.7 something else"),
		"huge": make([]byte, MaxContainer+100), "newer": newer, "damaged": damaged} {
		if err := os.WriteFile(filepath.Join(d.Dir, name+Suffix), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(d.Dir, "folder"+Suffix), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		err  error
		hint string
	}{
		"empty": {ErrTruncated, "restore it"}, "cut": {ErrTruncated, "restore it"}, "foreign": {ErrForeign, "remove it"},
		"huge": {ErrForeign, "remove it"}, "newer": {ErrNewer, "update"}, "damaged": {ErrDamaged, "restore it"},
		"folder": {ErrForeign, "remove it"}, "none": {ErrNoKey, "list"},
	} {
		k, err := d.Load(name)
		var f *Fault
		if !errors.Is(err, want.err) || !errors.As(err, &f) || k != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s := err.Error(); strings.Contains(s, "\n") || !strings.Contains(s, name+Suffix) || !strings.Contains(s, want.hint) || f.Hint() == "" {
			t.Errorf("%s: %q", name, s)
		}
		// None of them is overwritten by a new key either.
		if name != "none" {
			if err := d.Save(name, NewBlank()); err == nil {
				t.Errorf("%s: overwritten", name)
			}
		}
	}
	gone := DirStore{filepath.Join(d.Dir, "nowhere")}
	if _, err := gone.List(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "create the key folder") {
		t.Errorf("list: %v", err)
	}
	if err := gone.Save("x", NewBlank()); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("save: %v", err)
	}
}

func TestHold(t *testing.T) {
	d := DirStore{t.TempDir()}
	if err := d.Save("k", NewBlank()); err != nil {
		t.Fatal(err)
	}
	release, err := d.Hold("k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Hold("k"); !errors.Is(err, atomicfile.ErrLocked) || !strings.Contains(err.Error(), "k.pedkey") {
		t.Errorf("in two ports: %v", err)
	}
	if names, err := d.List(); err != nil || len(names) != 1 {
		t.Errorf("list: %q %v", names, err)
	}
	release()
	if release, err = d.Hold("k"); err != nil {
		t.Error(err)
	}
	release()
}

// Many savers of different keys in one folder do not hinder each other.
func TestConcurrentSaves(t *testing.T) {
	d := DirStore{t.TempDir()}
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			k := NewBlank()
			for i := range 10 {
				s, err := NewSet(SetParams{ID: protocol.SetID{byte(i + 1)}, Type: protocol.KeySO, Index: 1, M: 1, N: 1,
					Share: testShare(), Cost: LightCost()})
				if err == nil {
					err = errors.Join(k.WritePending(s), k.Promote(s.ID), d.Save(name, k))
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if names, err := d.List(); err != nil || len(names) != 4 {
		t.Errorf("%q %v", names, err)
	}
}
