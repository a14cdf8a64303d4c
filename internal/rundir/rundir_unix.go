//go:build unix

package rundir

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

func platform() (Dirs, error) {
	if os.Geteuid() == 0 {
		return Dirs{Run: "/run/openped", State: "/var/log/openped"}, nil
	}
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return Dirs{}, fmt.Errorf("no home folder: %w; set %s", err, Env)
		}
		state = filepath.Join(home, ".local", "state")
	}
	d := Dirs{Run: filepath.Join(state, "openped", "run"), State: filepath.Join(state, "openped")}
	if run := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		d.Run = filepath.Join(run, "openped")
	}
	return d, nil
}

func check(dir string, fi os.FileInfo) error {
	if fi.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("%w: %s can be written by every user; run chmod o-w on it", ErrUnsafe, dir)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to user %d", ErrUnsafe, dir, st.Uid)
	}
	return nil
}
