//go:build unix && !linux

package localsock

import "os"

// give gives a socket to a group.
func give(path string, gid int) error { return os.Lchown(path, -1, gid) }
