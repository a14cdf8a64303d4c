//go:build unix

package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"openped/internal/atomicfile"
)

// Privileged reports whether this user may manage services.
func Privileged() bool { return os.Geteuid() == 0 }

// canonical is a service's name as its folders have it.
func canonical(name string) string { return name }

// runs reports whether a service runs: its run folder comes and goes with it.
func runs(d Dirs) bool { return there(d.Run) }

// definitions are the folders in which a service manager finds what it manages.
var definitions = []string{"/etc/systemd/system/%s.service", "/usr/lib/systemd/system/%s.service", "/lib/systemd/system/%s.service",
	"/Library/LaunchDaemons/org.openped.%s.plist"}

// installed reports whether there is a service of that name, running or not.
func installed(name string) bool {
	for _, d := range definitions {
		if there(fmt.Sprintf(d, name)) {
			return true
		}
	}
	return false
}

func service(name string) (Dirs, error) {
	if runtime.GOOS == "darwin" { // whose /var/run is emptied, and made by nobody for a service
		own := "/usr/local/var/openped/" + name
		return Dirs{Run: own + "/run", State: own + "/log", Config: "/etc", Data: own}, nil
	}
	return Dirs{Run: "/run/openped/" + name, State: "/var/log/openped/" + name, Config: "/etc", Data: "/var/lib/openped/" + name}, nil
}

func platform() (Dirs, error) {
	if os.Geteuid() == 0 {
		return Dirs{Run: "/run/openped", State: "/var/log/openped", Config: "/etc", Data: "/var/lib/openped"}, nil
	}
	return person()
}

// person returns the folders of a user who is not root.
func person() (Dirs, error) {
	d := Dirs{System: "/etc"}
	for _, f := range []struct {
		dir      *string
		variable string
		home     []string
	}{
		{&d.State, "XDG_STATE_HOME", []string{".local", "state"}},
		{&d.Config, "XDG_CONFIG_HOME", []string{".config"}},
		{&d.Data, "XDG_DATA_HOME", []string{".local", "share"}},
	} {
		base := os.Getenv(f.variable)
		if !filepath.IsAbs(base) {
			home, err := os.UserHomeDir()
			if err != nil && d.State != "" { // a service's user may have no home
				*f.dir = d.State
				continue
			}
			if err != nil {
				return Dirs{}, fmt.Errorf("no home folder: %w; set %s", err, Env)
			}
			base = filepath.Join(append([]string{home}, f.home...)...)
		}
		*f.dir = filepath.Join(base, "openped")
	}
	d.Run = filepath.Join(d.State, "run")
	if run := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		d.Run = filepath.Join(run, "openped")
	}
	return d, nil
}

func check(dir string, fi os.FileInfo, client bool) error {
	if err := checkMode(dir, fi); err != nil {
		return err
	}
	me := os.Geteuid()
	if uid := owner(fi); uid != 0 && uid != me && !(client && me == 0) {
		return fmt.Errorf("%w: %s belongs to user %d; choose another one with %s", ErrUnsafe, dir, uid, Env)
	}
	return nil
}

// checkMode refuses a folder that others than its owner can put a socket into.
func checkMode(dir string, fi os.FileInfo) error {
	switch {
	case fi.Mode().Perm()&0o002 != 0:
		return fmt.Errorf("%w: %s can be written by every user; run chmod o-w on it", ErrUnsafe, dir)
	case fi.Mode().Perm()&0o020 != 0:
		return fmt.Errorf("%w: %s can be written by its group; run chmod g-w on it", ErrUnsafe, dir)
	}
	return nil
}

// owner returns whose a file is, or -1.
func owner(fi os.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

const windowsPipes = false

// tops are the folders that root's own daemons share with services: who is neither
// must get through them, for the service's user and the members of its group are
// such.
var tops = []string{"/run/openped", "/var/log/openped", "/var/lib/openped"}

// MakeTop makes the shared folder that a path lies in, if it does, and opens it if
// an earlier program closed it. What is in it has modes of its own.
func MakeTop(path string) error {
	for _, top := range tops {
		if path != top && !strings.HasPrefix(path, top+"/") || os.Geteuid() != 0 {
			continue
		}
		if err := os.Mkdir(top, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		fi, err := os.Lstat(top)
		if err != nil {
			return err
		}
		if mode := fi.Mode().Perm() | 0o755; fi.IsDir() && owner(fi) == 0 && mode != fi.Mode().Perm() {
			return os.Chmod(top, mode)
		}
	}
	return nil
}

func mkdirAll(dir string, perm os.FileMode) error {
	if err := MakeTop(dir); err != nil {
		return err
	}
	return atomicfile.MkdirAll(dir, perm)
}

// protect refuses to have root be a service that another user is: as a daemon it would
// write its log, and more, where that user's links lead. The folders themselves are
// the service manager's to make.
func (d Dirs) protect() error {
	if d.Service == "" || os.Geteuid() != 0 {
		return nil
	}
	for _, dir := range []string{d.State, d.Data} {
		if fi, err := os.Lstat(dir); err == nil && owner(fi) != 0 {
			return fmt.Errorf("the service %s is user %d, to whom %s belongs, and not root; have the service manager start it", d.Service, owner(fi), dir)
		}
	}
	return nil
}

func ownsFolder(dir, user string) bool {
	fi, err := os.Stat(dir)
	return err == nil && strconv.Itoa(owner(fi)) == user
}

func (d Dirs) checkServer(user string) error {
	uid, err := strconv.Atoi(user)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsafe, err)
	}
	dir, err := filepath.Abs(d.Run)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return err
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if o := owner(fi); o != uid && (o != 0 || d.Service != "") {
		return foreign(uid, dir, o)
	}
	if uid == 0 || uid == os.Geteuid() {
		return nil
	}
	for first := true; err == nil; first = false {
		fi, e := os.Stat(dir)
		if e != nil {
			return e
		}
		switch o := owner(fi); {
		case first && o != uid && o != 0, o != uid && o != 0 && o != os.Geteuid():
			return foreign(uid, dir, o)
		}
		if e := checkMode(dir, fi); e != nil {
			return fmt.Errorf("%w: the program there is user %d's, and others can write to %s", ErrUnsafe, uid, dir)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
	return err
}

func foreign(uid int, dir string, owner int) error {
	return fmt.Errorf("%w: the program there is user %d's, and %s belongs to user %d", ErrUnsafe, uid, dir, owner)
}
