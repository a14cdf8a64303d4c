package linkid

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"openped/internal/atomicfile"
	"openped/internal/pemfile"
)

// The test binary is also the process that is killed.
func TestMain(m *testing.M) {
	switch os.Getenv("LINKID_CHILD") {
	case "":
		os.Exit(m.Run())
	case "regen":
		childRegen()
	case "register":
		childRegister()
	}
}

func TestGenerate(t *testing.T) {
	for _, cn := range []string{"a", "win2016_server", "ped-1.example.org", "_x", "10.0.0.1", strings.Repeat("a", 63) + "b"} {
		id := newID(t, cn)
		c := id.Cert
		if id.CommonName != cn || c.Subject.CommonName != cn || len(c.DNSNames) != 1 || c.DNSNames[0] != cn {
			t.Errorf("%s: %s, %s, %q", cn, id.CommonName, c.Subject, c.DNSNames)
		}
		now := time.Now()
		if err := check(c, now); err != nil || id.Problem(now) != "" {
			t.Errorf("%s: %v %s", cn, err, id.Problem(now))
		}
		if p := id.Problem(now.Add(-25 * time.Hour)); p != "" {
			t.Errorf("%s: a clock that is a day behind: %s", cn, p)
		}
		if p := id.Problem(now.AddDate(10, 0, 1)); !strings.Contains(p, "expired on 20") {
			t.Errorf("%s: %s", cn, p)
		}
	}
	for _, cn := range []string{"", "a/b", "a b", ".a", "-a", "..", "a\n", "é", strings.Repeat("a", 65)} {
		if _, err := Generate(cn); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", cn, err)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := Dir(t.TempDir())
	id := newID(t, "host")
	certPath, keyPath, err := id.Save(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if certPath != filepath.Join(dir, "host.pem") || keyPath != filepath.Join(dir, "hostKey.pem") || id.CertPath != certPath || id.KeyPath != keyPath {
		t.Errorf("%s, %s", certPath, keyPath)
	}
	for path, mode := range map[string]fs.FileMode{certPath: 0o644, keyPath: 0o600, dir: 0o700} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode && os.PathSeparator == '/' {
			t.Errorf("%s: mode %v, want %v", path, st.Mode(), mode)
		}
	}
	files(t, dir, "host.pem", "hostKey.pem")
	got, err := Load(certPath, keyPath)
	if err != nil || got.Fingerprint() != id.Fingerprint() || !got.key.Equal(id.key) || got.CertPath != certPath {
		t.Fatalf("%v %v", got, err)
	}

	other := newID(t, "host")
	if _, _, err := other.Save(dir, false); !errors.Is(err, ErrExists) {
		t.Errorf("an identity was overwritten: %v", err)
	}
	os.Remove(certPath)
	if _, _, err := other.Save(dir, false); !errors.Is(err, ErrExists) {
		t.Errorf("a key was overwritten: %v", err)
	}
	if _, _, err := other.Save(dir, true); err != nil {
		t.Fatal(err)
	}
	if got, err = Load(certPath, keyPath); err != nil || got.Fingerprint() != other.Fingerprint() {
		t.Errorf("%v %v", got, err)
	}
	files(t, dir, "host.pem", "hostKey.pem")
}

func files(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// childRegen makes a new identity over that of LINKID_DIR and kills itself before
// write number LINKID_STEP, or after the last one.
func childRegen() {
	step, _ := strconv.Atoi(os.Getenv("LINKID_STEP"))
	id, err := Generate("host")
	if err != nil {
		os.Exit(3)
	}
	n := 0
	die := func() {
		if n++; n > step {
			os.Stdout.WriteString(id.Fingerprint())
			self, _ := os.FindProcess(os.Getpid())
			self.Kill()
			select {}
		}
	}
	_, _, err = id.save(os.Getenv("LINKID_DIR"), true, func(path string, data []byte, perm fs.FileMode) error {
		die()
		return atomicfile.WriteFile(path, data, perm)
	})
	if err != nil {
		os.Exit(4)
	}
	for {
		die()
	}
}

// regenAndDie returns the fingerprint of the identity that a process wanted to
// save when it was killed at a step.
func regenAndDie(t *testing.T, dir string, step int) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LINKID_CHILD=regen", "LINKID_DIR="+dir, "LINKID_STEP="+strconv.Itoa(step))
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Exited() && os.PathSeparator == '/' {
		t.Fatalf("step %d: the process was not killed: %v", step, err)
	}
	return string(out)
}

// TestKilledRegen: whenever -regen is killed there is one working pair, the old
// or the new, also if the next one is killed as well.
func TestKilledRegen(t *testing.T) {
	const steps = 3 // writes of a Save
	for first := range steps + 1 {
		for second := -1; second <= steps+1; second++ {
			dir := Dir(t.TempDir())
			old := newID(t, "host")
			certPath, keyPath, err := old.Save(dir, false)
			if err != nil {
				t.Fatal(err)
			}
			valid := map[string]bool{old.Fingerprint(): true}
			kill := func(step int) {
				valid[regenAndDie(t, dir, step)] = true
				got, err := Load(certPath, keyPath)
				if err != nil || !valid[got.Fingerprint()] {
					t.Fatalf("killed at %d, then at %d: %v", first, second, err)
				}
				if same := got.Fingerprint() == old.Fingerprint(); second < 0 && same != (step < 2) {
					t.Errorf("killed at %d: old pair %v", step, same)
				}
			}
			kill(first)
			if second >= 0 {
				kill(second)
			}
			last := newID(t, "host")
			if _, _, err := last.Save(dir, true); err != nil {
				t.Fatalf("killed at %d, then at %d: %v", first, second, err)
			}
			if got, err := Load(certPath, keyPath); err != nil || got.Fingerprint() != last.Fingerprint() || got.CertPath != certPath {
				t.Errorf("killed at %d, then at %d: %v %v", first, second, got, err)
			}
			files(t, dir, "host.pem", "hostKey.pem")
		}
	}
}

// TestKilledFirstRegen: the same where there was nothing before.
func TestKilledFirstRegen(t *testing.T) {
	for step := range 4 {
		dir := Dir(t.TempDir())
		want := regenAndDie(t, dir, step)
		got, err := Load(filepath.Join(dir, "host.pem"), filepath.Join(dir, "hostKey.pem"))
		switch {
		case step < 2 && !errors.Is(err, fs.ErrNotExist):
			t.Errorf("killed at %d: %v", step, err)
		case step >= 2 && (err != nil || got.Fingerprint() != want):
			t.Errorf("killed at %d: %v %v", step, got, err)
		}
		id := newID(t, "host")
		if _, _, err := id.Save(dir, false); step < 2 && err != nil || step >= 2 && !errors.Is(err, ErrExists) {
			t.Errorf("killed at %d, then again: %v", step, err)
		}
	}
}

// TestFailedSave: a write that fails leaves the old pair or the new one working.
func TestFailedSave(t *testing.T) {
	full := errors.New("no space left")
	for fail := range 3 {
		dir := Dir(t.TempDir())
		old, id := newID(t, "host"), newID(t, "host")
		certPath, keyPath, err := old.Save(dir, false)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		_, _, err = id.save(dir, true, func(path string, data []byte, perm fs.FileMode) error {
			if n++; n > fail {
				return full
			}
			return atomicfile.WriteFile(path, data, perm)
		})
		if !errors.Is(err, full) || id.CertPath != "" {
			t.Errorf("write %d: %v", fail, err)
		}
		want := old
		if fail == 2 {
			want = id
		}
		if got, err := Load(certPath, keyPath); err != nil || got.Fingerprint() != want.Fingerprint() {
			t.Errorf("write %d: %v %v", fail, got, err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	a, b := newID(t, "a"), newID(t, "b")
	ac, ak, err := a.Save(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	bc, bk, err := b.Save(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct{ name, cert, key, want string }{
		{"another's key", ac, bk, ErrPair.Error()},
		{"another's certificate", bc, ak, ErrPair.Error()},
		{"no key", ac, filepath.Join(dir, "none"), syscall.ENOENT.Error()},
		{"no certificate", filepath.Join(dir, "none"), ak, syscall.ENOENT.Error()},
		{"swapped", ak, ac, "PEM block"},
		{"a folder", dir, ak, "not a file"},
		{"empty", put("empty", ""), ak, "no PEM block"},
		{"two certificates", put("two", text(ac)+text(bc)), ak, "exactly one"},
		{"key and certificate", put("both", text(ac)+text(ak)), ak, "alone is wanted"},
		{"nonsense in PEM", put("nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), ak, "not an X.509"},
		{"nonsense of a key", ac, put("nokey", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "not a PKCS #8"},
		{"huge", put("huge", strings.Repeat("x", pemfile.MaxSize+1)), ak, "larger than"},
	} {
		_, err := Load(c.cert, c.key)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := Load(ac, ak); err != nil {
		t.Error(err)
	}
}
