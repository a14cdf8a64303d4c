//go:build unix

package conffile

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a file that root has written anew back to whose it was.
func keepOwner(path string, was fs.FileInfo) {
	if st, ok := was.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		_ = os.Lchown(path, int(st.Uid), int(st.Gid))
	}
}
