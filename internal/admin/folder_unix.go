//go:build unix

package admin

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// admit lets a group through the run folder to its socket, whatever the umask was
// when the folder was made. A folder has one group: with a second one everybody
// gets through, and still needs the name of a socket, and its permission.
func (i *Instance) admit(group string) error {
	dir := i.dirs.Run
	gid, err := strconv.Atoi(group)
	if err != nil {
		return err
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	mode := fi.Mode().Perm() | 0o050
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || int(st.Gid) != gid {
		switch i.group {
		case "":
			err = os.Chown(dir, -1, gid)
		default:
			mode |= 0o001
		}
	}
	if err == nil && mode != fi.Mode().Perm() {
		err = os.Chmod(dir, mode)
	}
	if err != nil {
		return fmt.Errorf("open the run folder to group %s: %w", group, err)
	}
	if i.group == "" {
		i.group = group
	}
	return nil
}
