package virtual

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"openped/certs"
	"openped/hsm"
	"openped/internal/atomicfile"
	"openped/internal/audit"
	"openped/internal/secret"
	"openped/protocol"
)

func create(t testing.TB) string {
	t.Helper()
	origin, err := certs.NewOriginRoot("test")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "hsm.json")
	if err := Create(path, CreateOptions{Serial: "1234567", Origin: origin}); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *HSM {
	t.Helper()
	h, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// full fills every field of a state.
func full(st *hsm.State) error {
	st.Label, st.Zeroized, st.StartCounter = "label", true, 7
	for _, r := range []protocol.Role{protocol.RoleSO, protocol.RoleAU, protocol.RolePO, protocol.RoleCO, protocol.RoleLCO, protocol.RoleCU, protocol.RoleDomain} {
		st.Roles[r] = hsm.RoleRecord{Set: protocol.SetID{byte(r)}, M: 2, N: 3, Sealed: []byte{1, 2, byte(r)}, Failures: int(r), Locked: r == protocol.RoleCO}
	}
	st.RPV = &hsm.RPVRecord{Set: protocol.SetID{9}, M: 1, N: 2, Value: secret.Copy(bytes.Repeat([]byte{0xa5}, 64)), RPKs: [][64]byte{{1}, {2}}}
	st.Pending = []hsm.PendingSet{{Role: protocol.RoleRPV, Set: protocol.SetID{5}, M: 1, N: 1}}
	st.Dropped = []protocol.SetID{{6}, {7}}
	st.Failed = []hsm.FailedRPK{{RPK: [64]byte{1}, Count: 3}}
	st.UsedPasswords = [][]byte{{1, 2}, {3}}
	st.Audit = audit.Head{Seq: 12, Hash: strings.Repeat("3f", 64)}
	return nil
}

func same(a, b *hsm.State) bool {
	x, y := *a, *b
	if (x.RPV == nil) != (y.RPV == nil) {
		return false
	}
	if x.RPV != nil {
		if !x.RPV.Value.Equal(y.RPV.Value) {
			return false
		}
		u, v := *x.RPV, *y.RPV
		u.Value, v.Value = nil, nil
		x.RPV, y.RPV = &u, &v
	}
	return reflect.DeepEqual(x, y)
}

func snapshot(h *HSM) (st *hsm.State) {
	h.View(func(s *hsm.State) {
		st = s.Clone()
		if st.RPV != nil {
			st.RPV.Value = secret.Copy(st.RPV.Value.Bytes())
		}
	})
	return st
}

func TestRoundTrip(t *testing.T) {
	path := create(t)
	h := open(t, path)
	if h.Identity() != (hsm.Identity{Serial: "1234567", Firmware: "7.7.0"}) {
		t.Errorf("%+v", h.Identity())
	}
	if err := h.Update(full); err != nil {
		t.Fatal(err)
	}
	before := snapshot(h)
	h.Close()
	h = open(t, path)
	if !same(before, snapshot(h)) {
		t.Errorf("read back %+v, want %+v", snapshot(h), before)
	}
	if st, _ := os.Stat(path); runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	key, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	static, err := h.IssueStatic(key.PublicKey(), 8)
	if err != nil {
		t.Fatal(err)
	}
	issuing, root := h.Chain()
	v := certs.HSMVerifier{}
	id, _, err := v.VerifyHSM([][]byte{static, issuing, root}, true)
	if err != nil || id.Serial != "1234567" || id.StartCounter != 8 {
		t.Errorf("%+v, %v", id, err)
	}
}

// Zeroized means gone: the secrets are not in the file any more, and roles that
// come later inherit nothing of what went.
func TestWhatGoesIsGone(t *testing.T) {
	path := create(t)
	h := open(t, path)
	if err := h.Update(full); err != nil {
		t.Fatal(err)
	}
	text := func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	value := strings.Repeat("paWl", 20)
	if !strings.Contains(text(), value) {
		t.Fatal("the search does not find the RPV")
	}
	err := h.Update(func(st *hsm.State) error { st.Roles, st.RPV = nil, nil; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if s := text(); strings.Contains(s, value) || !strings.Contains(s, `"so": null`) || !strings.Contains(s, `"rpv": null`) {
		t.Errorf("still there: %s", s)
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	path := create(t)
	h := open(t, path)
	if err := h.Update(full); err != nil {
		t.Fatal(err)
	}
	h.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := strings.Replace(string(b), `"magic":`, `"x-later": {"a": [1, 2.50, "é"], "big": 12345678901234567890}, "magic":`, 1)
	s = strings.Replace(s, `"locked": true`, `"x-role": "kept", "locked": true`, 1)
	s = strings.Replace(s, `"rpv": {`, `"rpv": {"x-rpv": null,`, 1)
	if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
		t.Fatal(err)
	}
	h = open(t, path)
	for range 2 {
		if err := h.Update(func(st *hsm.State) error { st.Label += "+"; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	b, _ = os.ReadFile(path)
	flat := regexp.MustCompile(`\s`).ReplaceAllString(string(b), "")
	for _, want := range []string{`"x-later":{"a":[1,2.50,"é"],"big":12345678901234567890}`, `"x-role":"kept"`, `"x-rpv":null`, `"label":"label++"`} {
		if !strings.Contains(flat, want) {
			t.Errorf("lost %s in %s", want, flat)
		}
	}
	// With the role goes what was said of it.
	if err := h.Update(func(st *hsm.State) error { delete(st.Roles, protocol.RoleCO); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := h.Update(full); err != nil {
		t.Fatal(err)
	}
	b, _ = os.ReadFile(path)
	if strings.Contains(string(b), "x-role") {
		t.Error("a new role inherited an old one's field")
	}
}

func TestFaults(t *testing.T) {
	good, err := os.ReadFile(create(t))
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string {
		s := strings.Replace(string(good), old, new, 1)
		if s == string(good) {
			t.Fatalf("nothing replaced: %q", old)
		}
		return s
	}
	for name, c := range map[string]struct {
		text string
		want error
		hint string
	}{
		"newer":            {replace(`"version": 1`, `"version": 2`), ErrNewer, "run the release"},
		"another program":  {replace(`openped-virtual-hsm`, `somebody's`), ErrForeign, "createhsm"},
		"empty":            {"", ErrForeign, "createhsm"},
		"text":             {"hello", ErrForeign, "createhsm"},
		"too big":          {strings.Repeat(" ", maxFile) + string(good), ErrForeign, "createhsm"},
		"truncated":        {string(good[:len(good)/2]), ErrDamaged, "backup"},
		"version 0":        {replace(`"version": 1`, `"version": 0`), ErrDamaged, "backup"},
		"another serial":   {replace(`"serial": "1234567"`, `"serial": "7654321"`), ErrDamaged, "backup"},
		"bad key":          {replace(`"issuing": "AQ`, `"issuing": "AA`), ErrDamaged, "backup"},
		"bad set":          {replace(`"so": null`, `"so": {"set":"00","m":1,"n":1}`), ErrDamaged, "backup"},
		"zero set":         {replace(`"so": null`, `"so": {"set":"00000000000000000000000000000000","m":1,"n":1}`), ErrDamaged, "backup"},
		"m over n":         {replace(`"so": null`, `"so": {"set":"01000000000000000000000000000000","m":3,"n":2}`), ErrDamaged, "backup"},
		"negative count":   {replace(`"so": null`, `"so": {"set":"01000000000000000000000000000000","m":1,"n":2,"failures":-1}`), ErrDamaged, "backup"},
		"short rpv":        {replace(`"rpv": null`, `"rpv": {"set":"01000000000000000000000000000000","m":1,"n":2,"value":"AAAA"}`), ErrDamaged, "backup"},
		"unknown role":     {replace(`"pending": null`, `"pending": [{"role":"king","set":"01000000000000000000000000000000","m":1,"n":2}]`), ErrDamaged, "backup"},
		"label of a mile":  {replace(`"label": ""`, `"label": "`+strings.Repeat("x", 33)+`"`), ErrDamaged, "backup"},
		"unknown auth":     {replace(`"auth": "ped"`, `"auth": "smile"`), ErrDamaged, "backup"},
		"wrong json types": {replace(`"label": ""`, `"label": 5`), ErrDamaged, "backup"},
	} {
		path := filepath.Join(t.TempDir(), "hsm.json")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.hint) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %v with %q", name, err, c.want, c.hint)
		}
		if b, _ := os.ReadFile(path); string(b) != c.text {
			t.Errorf("%s: the file was changed", name)
		}
		if _, err := os.Stat(path + ".lock"); err == nil {
			t.Errorf("%s: lock left", name)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// A file from before there were two types of authentication is that of a PED
// HSM, and says so once it is written again.
func TestFileWithoutAuth(t *testing.T) {
	path := create(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(string(b), `"auth": "ped",`, "", 1)
	if old == string(b) {
		t.Fatal("nothing replaced")
	}
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	h := open(t, path)
	if a := h.Identity().Auth; a != hsm.AuthPED {
		t.Errorf("%v", a)
	}
	if err := h.Update(func(*hsm.State) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if b, _ = os.ReadFile(path); !strings.Contains(string(b), `"auth": "ped"`) {
		t.Error("not written")
	}
}

// A disk that hangs keeps nobody from looking at what the HSM was before.
func TestHungDisk(t *testing.T) {
	h := open(t, create(t))
	write, begun, wait := h.write, make(chan bool), make(chan bool)
	h.write = func(path string, data []byte, perm fs.FileMode) error {
		close(begun)
		<-wait
		return write(path, data, perm)
	}
	done := make(chan error)
	go func() { done <- h.Update(func(st *hsm.State) error { st.Label = "new"; return nil }) }()
	<-begun
	seen := make(chan string, 1)
	go h.View(func(st *hsm.State) { seen <- st.Label })
	select {
	case label := <-seen:
		if label != "" {
			t.Errorf("shown before it was stored: %q", label)
		}
	case <-time.After(10 * time.Second):
		t.Error("View waits for the disk")
	}
	close(wait)
	if err := <-done; err != nil || snapshot(h).Label != "new" {
		t.Error(err)
	}
}

func TestLocked(t *testing.T) {
	path := create(t)
	h := open(t, path)
	if _, err := Open(path); !errors.Is(err, atomicfile.ErrLocked) || !strings.Contains(err.Error(), "process") {
		t.Error(err)
	}
	h.Close()
	h.Close()
	if err := h.Update(func(*hsm.State) error { return nil }); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed HSM took an update: %v", err)
	}
	open(t, path)
}

// Opened by a symbolic link the HSM is the file that it leads to, with one lock
// and one content; with two hard links it is not opened.
func TestLinks(t *testing.T) {
	path := create(t)
	link, hard := path+".link", path+".hard"
	if err := os.Symlink(path, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	h, err := Open(link)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, atomicfile.ErrLocked) {
		t.Errorf("open by both names: %v", err)
	}
	if err := h.Update(full); err != nil {
		t.Fatal(err)
	}
	before := snapshot(h)
	h.Close()
	if !same(before, snapshot(open(t, path))) {
		t.Error("the file has another state than the link had")
	}
	if err := os.Link(path, hard); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, hard, link} {
		if _, err := Open(p); !errors.Is(err, atomicfile.ErrLinks) || !strings.Contains(err.Error(), p+": ") {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestCreateKeepsWhatIsThere(t *testing.T) {
	path := create(t)
	before, _ := os.ReadFile(path)
	origin, err := certs.NewOriginRoot("other")
	if err != nil {
		t.Fatal(err)
	}
	if err := Create(path, CreateOptions{Serial: "1", Origin: origin}); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("overwritten")
	}
	for _, o := range []CreateOptions{{Serial: "", Origin: origin}, {Serial: "a b", Origin: origin}, {Serial: "1", Firmware: "new", Origin: origin}, {Serial: "1", Firmware: "7.7", Origin: origin}} {
		p := filepath.Join(t.TempDir(), "x")
		if err := Create(p, o); err == nil {
			t.Errorf("%+v accepted", o)
		}
		if _, err := os.Stat(p); err == nil {
			t.Error("left a file")
		}
	}
}

// A write that fails leaves state and file as they were; one that fails and is
// nevertheless in the file stops the HSM: nobody may act on what is in doubt.
func TestFailedWrite(t *testing.T) {
	path := create(t)
	h := open(t, path)
	if err := h.Update(full); err != nil {
		t.Fatal(err)
	}
	before := snapshot(h)
	refused := errors.New("no")
	if err := h.Update(func(st *hsm.State) error { st.RPV = nil; return refused }); err != refused || !same(before, snapshot(h)) {
		t.Errorf("refused update: %v", err)
	}
	full := errors.New("disk full")
	h.write = func(string, []byte, fs.FileMode) error { return full }
	change := func(st *hsm.State) error { st.Label, st.RPV = "changed", nil; return nil }
	if err := h.Update(change); !errors.Is(err, full) || !same(before, snapshot(h)) {
		t.Errorf("failed write: %v", err)
	}
	h.write = atomicfile.WriteFile
	if err := h.Update(func(st *hsm.State) error { st.Label = "works"; return nil }); err != nil {
		t.Fatal(err)
	}
	h.write = func(p string, b []byte, m fs.FileMode) error {
		return errors.Join(atomicfile.WriteFile(p, b, m), errors.New("folder not synced"))
	}
	if err := h.Update(change); err == nil {
		t.Fatal("no error")
	}
	if err := h.Update(func(*hsm.State) error { return nil }); err == nil || !strings.Contains(err.Error(), "start the HSM again") {
		t.Errorf("goes on in doubt: %v", err)
	}
}

func FuzzStateFile(f *testing.F) {
	path := create(f)
	empty, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	h := open(f, path)
	if err := h.Update(full); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(empty)
	f.Add(b)
	f.Add(bytes.Replace(b, []byte(`"label"`), []byte(`"LABEL"`), 1))
	f.Add(bytes.Replace(b, []byte(`"rpv"`), []byte(`"x":{},"rpv"`), 1))
	f.Add([]byte(`{"magic":"openped-virtual-hsm","version":1}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := decode(bytes.Clone(in))
		if err != nil {
			if !errors.Is(err, ErrForeign) && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrDamaged) {
				t.Fatalf("unnamed fault %v", err)
			}
			return
		}
		out, raw, err := c.encode(c.state)
		if err != nil {
			if errors.Is(err, errTooBig) {
				return
			}
			t.Fatal(err)
		}
		if !json.Valid(raw) {
			t.Fatal("kept fields are not JSON")
		}
		d, err := decode(bytes.Clone(out))
		if err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		if !same(c.state, d.state) {
			t.Fatalf("%+v became %+v", c.state, d.state)
		}
		again, _, err := d.encode(d.state)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatal("not stable")
		}
	})
}
