//go:build unix

package rundir

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	t.Setenv(Env, "/x/y")
	if d, err := Find(); err != nil || d != (Dirs{Run: "/x/y", State: "/x/y", Config: "/x/y", Data: "/x/y"}) {
		t.Errorf("%+v %v", d, err)
	}
	t.Setenv(Env, "")
	if os.Geteuid() == 0 {
		if d, _ := Find(); d != (Dirs{Run: "/run/openped", State: "/var/log/openped", Config: "/etc", Data: "/var/lib/openped"}) {
			t.Errorf("%+v", d)
		}
	}
}

// TestFindForAPerson: the folders of the base directory specification, and a user
// without a home.
func TestFindForAPerson(t *testing.T) {
	for _, c := range []struct {
		about string
		env   map[string]string
		want  Dirs
	}{
		{"nothing set", map[string]string{"HOME": "/h"},
			Dirs{Run: "/h/.local/state/openped/run", State: "/h/.local/state/openped", Config: "/h/.config/openped", System: "/etc", Data: "/h/.local/share/openped"}},
		{"all set", map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": "/r", "XDG_STATE_HOME": "/s", "XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d"},
			Dirs{Run: "/r/openped", State: "/s/openped", Config: "/c/openped", System: "/etc", Data: "/d/openped"}},
		{"relative ones do not count", map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "c", "XDG_RUNTIME_DIR": "r"},
			Dirs{Run: "/h/.local/state/openped/run", State: "/h/.local/state/openped", Config: "/h/.config/openped", System: "/etc", Data: "/h/.local/share/openped"}},
		{"no home", map[string]string{"XDG_STATE_HOME": "/s"},
			Dirs{Run: "/s/openped/run", State: "/s/openped", Config: "/s/openped", System: "/etc", Data: "/s/openped"}},
	} {
		for _, v := range []string{"HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"} {
			t.Setenv(v, c.env[v])
		}
		if d, err := person(); err != nil || d != c.want {
			t.Errorf("%s: %+v %v", c.about, d, err)
		}
	}
	t.Setenv("XDG_STATE_HOME", "")
	if _, err := person(); err == nil || !strings.Contains(err.Error(), Env) {
		t.Errorf("no folder at all: %v", err)
	}
}

// TestConfigFile: a person's own file counts before the host's.
func TestConfigFile(t *testing.T) {
	own, system := t.TempDir(), t.TempDir()
	d := Dirs{Config: filepath.Join(own, "later"), System: system}
	here, there := filepath.Join(d.Config, "x.conf"), filepath.Join(system, "x.conf")
	if got := d.ConfigFile("x.conf"); got != here {
		t.Errorf("no file: %s", got)
	}
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := d.ConfigFile("x.conf"); got != there {
		t.Errorf("the host's file only: %s", got)
	}
	if got := (Dirs{Config: d.Config}).ConfigFile("x.conf"); got != here {
		t.Errorf("no second place: %s", got)
	}
	if err := errors.Join(os.Mkdir(d.Config, 0o700), os.WriteFile(here, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := d.ConfigFile("x.conf"); got != here {
		t.Errorf("both files: %s", got)
	}
}

func TestMakeAndCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	d := Dirs{Run: dir, State: dir}
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(dir)
	if err != nil || fi.Mode().Perm()&0o007 != 0 {
		t.Errorf("mode %v %v", fi.Mode(), err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := d.Make(); !errors.Is(err, ErrUnsafe) {
		t.Errorf("world-writable folder: %v", err)
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if err := Check(dir); !errors.Is(err, ErrUnsafe) {
		t.Errorf("group-writable folder: %v", err)
	}
	if err := CheckClient(dir); !errors.Is(err, ErrUnsafe) {
		t.Errorf("group-writable folder, client: %v", err)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(dir, 0o750), os.Chown(dir, 1, 1)); err != nil {
			t.Fatal(err)
		}
		if err := Check(dir); !errors.Is(err, ErrUnsafe) {
			t.Errorf("foreign folder: %v", err)
		}
		if err := CheckClient(dir); err != nil {
			t.Errorf("root may not call a user's daemon: %v", err)
		}
	}
}

// TestCheckServer: of another user's server it matters who could have put its
// folder there.
func TestCheckServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give folders to others")
	}
	top, err := os.MkdirTemp("/run", "openped-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	tmp := t.TempDir() // below a folder that everybody can write to
	for _, c := range []struct {
		name      string
		top       string
		owner     int
		mode      os.FileMode
		server    int
		upperMode os.FileMode
		ok        bool
	}{
		{"root's server in a bad place", tmp, 0, 0o777, 0, 0o755, true},
		{"root's server in another's folder", top, 1, 0o750, 0, 0o755, false},
		{"a service user's own folder", top, 1, 0o750, 1, 0o755, true},
		{"a service user's server in root's folder", top, 0, 0o755, 1, 0o755, true},
		{"somebody's server in another's folder", top, 2, 0o755, 1, 0o755, false},
		{"a folder that a group writes to", top, 1, 0o770, 1, 0o755, false},
		{"a folder that anybody could have made", top, 1, 0o755, 1, 0o777 | os.ModeSticky, false},
	} {
		upper := filepath.Join(c.top, "u")
		dir := filepath.Join(upper, "d")
		err := errors.Join(os.RemoveAll(upper), os.MkdirAll(dir, 0o755), os.Chmod(c.top, 0o755), os.Chmod(upper, c.upperMode),
			os.Chown(dir, c.owner, c.owner), os.Chmod(dir, c.mode))
		if err != nil {
			t.Fatal(err)
		}
		server := strconv.Itoa(c.server)
		if err := (Dirs{Run: dir}).CheckServer(server); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrUnsafe) {
			t.Errorf("%s: %v", c.name, err)
		}
		// A service's folder is its user's, and a person's is his, whatever root may call.
		if err := (Dirs{Run: dir, Service: "x"}).CheckDaemon(server); err == nil && c.owner != c.server {
			t.Errorf("as a service's: %s", c.name)
		}
		if err := (Dirs{Run: dir}).CheckDaemon(server); err == nil && c.owner != c.server && c.owner != 0 {
			t.Errorf("for root: %s", c.name)
		}
	}
}

// TestRootIsNoService: root is not the daemon of a service that another user is, who
// could have its log written anywhere.
func TestRootIsNoService(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give folders to others")
	}
	for i := range 3 {
		top := t.TempDir()
		dirs := []string{filepath.Join(top, "log"), filepath.Join(top, "data"), filepath.Join(top, "other")}
		for j, dir := range dirs {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if i == j {
				if err := os.Chown(dir, 12345, 12345); err != nil {
					t.Fatal(err)
				}
			}
		}
		d := Dirs{Run: filepath.Join(top, "run"), State: dirs[0], Data: dirs[1], Service: "x"}
		if err := d.Make(); (err == nil) != (i == 2) {
			t.Errorf("%d: %v", i, err)
		}
		if d.Service = ""; d.Make() != nil {
			t.Error("a daemon of root's own")
		}
	}
}

func TestSocketTooLong(t *testing.T) {
	if _, err := (Dirs{Run: "/" + strings.Repeat("a", 120)}).Socket("s"); err == nil {
		t.Error("a socket path that can not be bound was accepted")
	}
}

// TestPipePath: pipes of different folders have different names, and one folder
// has one however it is spelled.
func TestPipePath(t *testing.T) {
	p := pipePath(`C:\ProgramData\openped\pedserver\run`, "pedserver.sock")
	if p != `\\.\pipe\openped-1fa4a56680c76111-pedserver.sock` {
		t.Error(p)
	}
	if p != pipePath(`c:\programdata\OPENPED\pedserver\run`, "pedserver.sock") {
		t.Error("the name depends on case")
	}
	if p == pipePath(`C:\ProgramData\openped\desk2\run`, "pedserver.sock") {
		t.Error("two folders, one name")
	}
}
