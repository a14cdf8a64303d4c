package conffile

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func set(key, value string) func(*File) error {
	return func(f *File) error { return f.Set("A", key, value) }
}

func TestEdit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(dir, "x.conf")
	content := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if err := Edit(path, set("k", "1")); err != nil {
		t.Fatal(err)
	}
	if c := content(path); c != "A = {\n  k = 1;\n}\n" {
		t.Errorf("%q", c)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o644 && os.PathSeparator == '/' {
		t.Errorf("mode %v", fi.Mode())
	}
	ini := filepath.Join(dir, "x.ini")
	if err := Edit(ini, set("k", "1")); err != nil || content(ini) != "[A]\nk=1\n" {
		t.Errorf("%v %q", err, content(ini))
	}

	// What fails, or changes nothing, does not touch the file.
	before, _ := os.Stat(path)
	no := errors.New("no")
	if err := Edit(path, func(f *File) error { _ = f.Set("A", "k", "2"); return no }); !errors.Is(err, no) {
		t.Error(err)
	}
	if err := Edit(path, set("k", "1")); err != nil {
		t.Error(err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("the file was written for nothing")
	}

	// A file with a mistake stays as it is.
	bad := filepath.Join(dir, "bad.conf")
	if err := os.WriteFile(bad, []byte("A = {"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Edit(bad, set("k", "1")); err == nil || !strings.Contains(err.Error(), "bad.conf:1: ") || content(bad) != "A = {" {
		t.Error(err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	locks, _ := filepath.Glob(filepath.Join(dir, "*.lock"))
	if len(left)+len(locks) > 0 {
		t.Errorf("left behind: %q %q", left, locks)
	}
}

// TestEditKeeps: the mode stays, and a symbolic link stays one.
func TestEditKeeps(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "x.conf"), filepath.Join(dir, "link.conf")
	if err := os.WriteFile(path, []byte("// mine\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	if err := Edit(link, set("k", "1")); err != nil {
		t.Fatal(err)
	}
	if fi, _ := os.Lstat(link); fi.Mode().Type() != fs.ModeSymlink {
		t.Error("the link was replaced")
	}
	fi, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && fi.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
	if f, err := Load(path); err != nil || len(f.Keys("A")) != 1 {
		t.Errorf("%v", err)
	}
	if err := os.Symlink(filepath.Join(dir, "nothing"), filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	if err := Edit(filepath.Join(dir, "dangling"), set("k", "1")); err == nil || !strings.Contains(err.Error(), "dangling") {
		t.Error(err)
	}
}

// TestEditsAtOnce: no change is lost.
func TestEditsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.conf")
	const n = 20
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := Edit(path, set(fmt.Sprintf("k%d", i), "1")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	f, err := Load(path)
	if err != nil || len(f.Keys("A")) != n {
		t.Errorf("%v\n%s", err, f.Bytes())
	}
}

// TestNoFile: what would wait for somebody is refused.
func TestNoFile(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	if _, err := Load(sock); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Error(err)
	}
	if f, err := Load(os.DevNull); err != nil || f.Sections() != nil {
		t.Error(err)
	}
}
