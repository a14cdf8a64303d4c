//go:build unix

package localsock

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Superuser is who may everything.
const Superuser = "root"

// letsIn returns the group whose members get to a socket in a folder, "" if none but
// its owner does: that of the folder, if this user can not enter it, else that of
// the socket.
func letsIn(folder, socket string) string {
	fi, err := os.Stat(socket)
	bits := os.FileMode(0o060)
	if err != nil {
		fi, err = os.Stat(folder)
		bits = 0o010
	}
	if err != nil || fi.Mode().Perm()&bits != bits {
		return ""
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || st.Gid == 0 {
		return ""
	}
	gid := strconv.FormatUint(uint64(st.Gid), 10)
	if g, err := user.LookupGroupId(gid); err == nil {
		return g.Name
	}
	return gid
}
