package softped

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"openped/rpv"
)

func fullState() *State {
	return &State{Serial: "PED-1", Roots: [][]byte{{1, 2, 3}}, Counters: []Counter{{rpv.Fingerprint{9}, 1 << 63}}}
}

func TestStateFile(t *testing.T) {
	f := FileState{filepath.Join(t.TempDir(), "ped.json")}
	if s, err := f.Load(); err != nil || !reflect.DeepEqual(s, &State{}) {
		t.Fatalf("no file: %+v %v", s, err)
	}
	if err := f.Save(fullState()); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(f.Path); err != nil || runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	s, err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	s.extra = nil
	if !reflect.DeepEqual(s, fullState()) {
		t.Errorf("%+v", s)
	}
	// What a newer program of the same version added is kept.
	b, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path, []byte(strings.Replace(string(b), "{", `{"colour": {"a": [1]},`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = f.Load(); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(s); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(f.Path); err != nil || !strings.Contains(string(b), `"colour"`) {
		t.Errorf("unknown field lost: %s %v", b, err)
	}
}

func TestStateFileRefused(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		content, hint string
		want          error
	}{
		"newer":   {`{"magic":"openped-softped","version":2}`, "update softped", ErrStateNewer},
		"foreign": {`{"magic":"something","version":1}`, "name another file", ErrStateForeign},
		"no json": {"PK\x03\x04", "name another file", ErrStateForeign},
		"empty":   {"", "name another file", ErrStateForeign},
		"damaged": {`{"magic":"openped-softped","version":1,"counters":[{"issuing":"zz"}]}`, "restore it", ErrStateDamaged},
		"root":    {`{"magic":"openped-softped","version":1,"roots":["%"]}`, "restore it", ErrStateDamaged},
		"serial":  {`{"magic":"openped-softped","version":1,"serial":"a\nb"}`, "restore it", ErrStateDamaged},
		"zero":    {`{"magic":"openped-softped","version":0}`, "restore it", ErrStateDamaged},
	} {
		f := FileState{filepath.Join(dir, "state.json")}
		if err := os.WriteFile(f.Path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := f.Load()
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.hint) || !strings.Contains(err.Error(), f.Path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if b, _ := os.ReadFile(f.Path); string(b) != c.content {
			t.Errorf("%s: the file was changed", name)
		}
	}
	err := FileState{filepath.Join(dir, "none", "x.json")}.Save(&State{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "create its folder") {
		t.Errorf("%v", err)
	}
}

func TestCountersOnlyGoUp(t *testing.T) {
	m, err := openMemory(&MemState{})
	if err != nil {
		t.Fatal(err)
	}
	fp := rpv.Fingerprint{1}
	for _, c := range []struct {
		n    uint64
		fail bool
	}{{5, false}, {5, false}, {4, true}, {7, false}, {6, true}} {
		err := m.checkCounter(fp, c.n)
		if (err != nil) != c.fail {
			t.Errorf("%d: %v", c.n, err)
		}
		if err == nil {
			if err := m.sawCounter(fp, c.n); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(m.s.Counters) != 1 {
		t.Error("one HSM, several counters")
	}
	if err := m.sawCounter(fp, 3); err != nil || m.checkCounter(fp, 6) == nil {
		t.Error("a counter went down")
	}
}

// failState refuses to be written.
type failState struct{ MemState }

func (*failState) Save(*State) error { return errors.New("disk full") }

func TestUnwrittenStateIsNotBelieved(t *testing.T) {
	m, err := openMemory(&failState{})
	if err != nil {
		t.Fatal(err)
	}
	if m.sawCounter(rpv.Fingerprint{1}, 3) == nil || m.addRoot([]byte{1}) == nil {
		t.Error("no error")
	}
	if len(m.roots()) != 0 || m.checkCounter(rpv.Fingerprint{1}, 1) != nil {
		t.Error("remembered without being stored")
	}
}

func FuzzState(f *testing.F) {
	b, err := encodeState(fullState())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"magic":"openped-softped","version":1,"x":[{}]}`))
	f.Add([]byte(`{"magic":"openped-softped","version":1,"Roots":["AA=="],"roots":null}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		again, err := encodeState(s)
		if err != nil {
			t.Fatal(err)
		}
		s2, err := decodeState(again)
		if err != nil {
			t.Fatalf("%v: %s", err, again)
		}
		s.extra, s2.extra = nil, nil
		if !reflect.DeepEqual(s, s2) {
			t.Fatalf("%+v\n%+v", s, s2)
		}
	})
}
