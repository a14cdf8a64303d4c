//go:build unix

package rundir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	t.Setenv(Env, "/x/y")
	if d, err := Find(); err != nil || d != (Dirs{"/x/y", "/x/y"}) {
		t.Errorf("%+v %v", d, err)
	}
	t.Setenv(Env, "")
	if os.Geteuid() == 0 {
		if d, _ := Find(); d.Run != "/run/openped" {
			t.Errorf("%+v", d)
		}
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
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(dir, 0o750), os.Chown(dir, 1, 1)); err != nil {
			t.Fatal(err)
		}
		if err := Check(dir); !errors.Is(err, ErrUnsafe) {
			t.Errorf("foreign folder: %v", err)
		}
	}
}

func TestSocketTooLong(t *testing.T) {
	if _, err := (Dirs{Run: "/" + strings.Repeat("a", 120)}).Socket("s"); err == nil {
		t.Error("a socket path that can not be bound was accepted")
	}
}
