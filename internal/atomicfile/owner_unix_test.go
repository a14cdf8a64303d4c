//go:build linux || darwin

package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// service is the user of the tests' service.
const service = 12345

// home returns a folder of that user's in one of root's, which everybody gets to, and
// a folder of root's beside it.
func home(t *testing.T) (home, victim string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root makes files for others")
	}
	top := t.TempDir()
	home, victim = filepath.Join(top, "home"), filepath.Join(top, "victim")
	err := errors.Join(os.Chmod(filepath.Dir(top), 0o755), os.Mkdir(home, 0o700), os.Chown(home, service, service), os.MkdirAll(victim, 0o755))
	if err != nil {
		t.Fatal(err)
	}
	return home, victim
}

// owned checks whose things are.
func owned(t *testing.T, uid uint32, paths ...string) {
	t.Helper()
	for _, p := range paths {
		fi, err := os.Lstat(p)
		if err != nil {
			t.Error(err)
		} else if st := fi.Sys().(*syscall.Stat_t); st.Uid != uid || st.Gid != uid {
			t.Errorf("%s belongs to %d:%d", p, st.Uid, st.Gid)
		}
	}
}

// TestOwner: what root makes in the folder of a service's user is that user's, and in
// its own its own.
func TestOwner(t *testing.T) {
	home, victim := home(t)
	for dir, uid := range map[string]uint32{home: service, victim: 0} {
		dir := filepath.Join(dir, "a", "b")
		if err := MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "key")
		if err := WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		unlock, err := Lock(path + ".lock")
		if err != nil {
			t.Fatal(err)
		}
		owned(t, uid, filepath.Dir(dir), dir, path, path+".lock")
		if pid, held, err := Holder(path + ".lock"); err != nil || !held || uid == 0 && pid != os.Getpid() {
			t.Errorf("%d %v %v", pid, held, err)
		}
		unlock()
		only(t, dir, "key")
	}
}

// TestAsOwner: only what runs in AsOwner is that user's, with all that belongs to it,
// however it ends, and one inside of another changes nothing.
func TestAsOwner(t *testing.T) {
	home, victim := home(t)
	secret := filepath.Join(victim, "secret")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := func() error {
		_, err := os.Open(secret)
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("the user's: %v", err)
		}
		return err
	}
	for range 20 {
		if err := AsOwner(home, refused); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v", err)
		}
	}
	_ = AsOwner(home, func() error { return AsOwner(victim, refused) })
	failed := errors.New("failed")
	if err := AsOwner(filepath.Join(home, "not", "there"), func() error { return failed }); err != failed {
		t.Errorf("%v", err)
	}
	for range 20 { // no thread of the user's serves root
		done := make(chan error)
		go func() {
			_, err := os.ReadFile(secret)
			done <- err
		}()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := AsOwner(victim, func() error { _, err := os.Open(secret); return err }); err != nil {
		t.Errorf("root's: %v", err)
	}
}

// TestForeignLinks plays a service's user who puts links where root will work: to a
// folder of root's, to a file there, and by another name of the file itself.
//
// It fails when asOwner just calls f.
func TestForeignLinks(t *testing.T) {
	home, victim := home(t)
	precious := filepath.Join(victim, "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(victim, "client"), 0o755), os.WriteFile(filepath.Join(victim, ".key.1.tmp"), nil, 0o666)); err != nil {
		t.Fatal(err)
	}
	cert := filepath.Join(home, "cert")
	if err := os.Symlink(victim, cert); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(filepath.Join(cert, "client"), 0o700); err != nil { // it is there
		t.Error(err)
	}
	if err := MkdirAll(filepath.Join(cert, "other"), 0o700); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a folder behind a link: %v", err)
	}
	for _, path := range []string{filepath.Join(cert, "client", "key"), filepath.Join(cert, "key")} {
		if err := WriteFile(path, nil, 0o600); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a file behind a link: %v", err)
		}
	}
	if _, err := Lock(filepath.Join(cert, "lock")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a lock behind a link: %v", err)
	}
	if err := os.Link(precious, filepath.Join(home, "lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(filepath.Join(home, "lock")); err == nil {
		t.Error("a file of root's became a lock")
	}
	if _, _, err := Holder(filepath.Join(home, "lock")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a lock of root's by another name: %v", err)
	}
	content(t, precious, "precious")
	owned(t, 0, precious, victim)
	only(t, victim, ".key.1.tmp", "client", "precious")
	only(t, filepath.Join(victim, "client"))
	// Root's own links are followed, to whoever's it is.
	link := filepath.Join(victim, "link")
	if err := os.Symlink("../home", link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(link, "key"), nil, 0o600); err != nil {
		t.Error(err)
	}
	owned(t, service, filepath.Join(home, "key"))
}

// TestHolderOfAnotherUser plays a service's user who writes another's process into the lock
// that root looks at, to have root end it.
//
// Without the comparison of users in holder it is believed.
func TestHolderOfAnotherUser(t *testing.T) {
	home, _ := home(t)
	start, _, err := process(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(home, "x.lock")
	unlock, err := Lock(lock)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for _, text := range []string{fmt.Sprintf("%d %s\n", os.Getpid(), start), fmt.Sprintf("%d\n", os.Getpid())} {
		if err := os.WriteFile(lock, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid, held, err := Holder(lock); pid != 0 || !held || err != nil {
			t.Errorf("%q: %d %v %v", text, pid, held, err)
		}
	}
}

// TestLockHasOneName: a lock is written to; a file by another name is not.
func TestLockHasOneName(t *testing.T) {
	dir := t.TempDir()
	victim, lock := filepath.Join(dir, "victim"), filepath.Join(dir, "lock")
	if err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), os.Link(victim, lock)); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(lock); !errors.Is(err, ErrLinks) {
		t.Errorf("%v", err)
	}
	content(t, victim, "precious")
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(pipe); err == nil {
		t.Error("a pipe was locked")
	}
	if _, held, err := Holder(pipe); held { // and it is not waited for
		t.Errorf("%v %v", held, err)
	}
}
