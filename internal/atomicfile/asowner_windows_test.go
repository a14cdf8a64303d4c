package atomicfile

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

// junction makes a junction as every user can.
func junction(t *testing.T, link, to string) {
	t.Helper()
	if out, err := exec.Command("cmd", "/c", "mklink", "/J", link, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestJunctions plays a service that puts junctions into its folder, and an
// administrator who works there: nothing is made behind them, and no folder can be
// exchanged while he does. In his own folders his junctions are his business.
//
// Without hold everything lands behind the junction, and the folder is renamed.
func TestJunctions(t *testing.T) {
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil {
		t.Skip("Wine does not pass access lists on")
	}
	if !windows.GetCurrentProcessToken().IsElevated() {
		if os.Getenv("CI") != "" {
			t.Fatal("run this as an administrator")
		}
		t.Skip("only administrators work in the folders of others")
	}
	me, err := winacl.User()
	if err != nil {
		t.Fatal(err)
	}
	top := t.TempDir()
	own, service, victim := filepath.Join(top, "own"), filepath.Join(top, "service"), filepath.Join(top, "victim")
	for dir, entries := range map[string][]winacl.Entry{own: nil, victim: nil, service: {{SID: winacl.ServiceSID("pedserver"), Rights: winacl.Modify}}} {
		if err := winacl.Mkdir(dir, append(winacl.Private(me), entries...)...); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(service, "link")
	junction(t, link, victim)
	for what, err := range map[string]error{
		"a folder": MkdirAll(filepath.Join(link, "cert", "client"), 0o700),
		"a file":   WriteFile(filepath.Join(link, "key"), nil, 0o600),
		"a lock":   func() error { _, err := Lock(filepath.Join(link, "lock")); return err }(),
		"work":     AsOwner(filepath.Join(link, "a", "b"), func() error { return os.WriteFile(filepath.Join(link, "work"), nil, 0o600) }),
	} {
		if !errors.Is(err, ErrReparse) {
			t.Errorf("%s behind a junction: %v", what, err)
		}
	}
	only(t, victim)

	dir := filepath.Join(service, "cert", "client")
	if err := MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err = AsOwner(dir, func() error {
		for _, d := range []string{dir, filepath.Dir(dir)} {
			if os.Rename(d, d+".away") == nil {
				t.Errorf("%s was exchanged meanwhile", d)
			}
		}
		return WriteFile(filepath.Join(dir, "key"), nil, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	only(t, dir, "key")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Errorf("held for ever: %v", err)
	}

	mine := filepath.Join(own, "link")
	junction(t, mine, victim)
	if err := WriteFile(filepath.Join(mine, "key"), nil, 0o600); err != nil {
		t.Error(err)
	}
	only(t, victim, "key")
}
