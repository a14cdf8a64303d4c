package localsock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// give gives this process's socket at path to a group, and nothing that somebody
// has put in its place meanwhile.
func give(path string, gid int) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || int(st.Uid) != os.Geteuid() {
		return errors.New("something else has taken its place")
	}
	if int(st.Gid) == gid { // a sandbox may forbid to ask for what is so already
		return nil
	}
	return unix.Fchownat(fd, "", -1, gid, unix.AT_EMPTY_PATH)
}
