package atomicfile

import (
	"io/fs"
	"os"
)

// inherit has nothing to do: a new file has its folder's access list.
func inherit(*os.File, string) {}

// MkdirAll is os.MkdirAll: a new folder has the access list of the one above.
func MkdirAll(dir string, perm fs.FileMode) error { return os.MkdirAll(dir, perm) }
