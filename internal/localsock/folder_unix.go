//go:build unix

package localsock

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// AdmitTo lets a group through a folder of this process's to a socket in it, whatever
// the umask was when the folder was made. A folder has one group: where it may not
// become this one, everybody gets through, and still needs the name of a socket and
// its permission.
func AdmitTo(dir, group string, become bool) error {
	gid, err := strconv.Atoi(group)
	if err != nil {
		return err
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	has := ok && int(st.Gid) == gid
	mode := fi.Mode().Perm() | 0o050
	switch {
	case !has && become:
		err = os.Chown(dir, -1, gid)
	case !has:
		mode = fi.Mode().Perm() | 0o001
	}
	if err == nil && mode != fi.Mode().Perm() {
		err = os.Chmod(dir, mode)
	}
	if err != nil {
		return fmt.Errorf("open the folder %s to group %s: %w", dir, group, err)
	}
	return nil
}
