//go:build unix

package daemon

import "os"

// privileged reports whether this user may manage services.
func privileged() bool { return os.Geteuid() == 0 }
