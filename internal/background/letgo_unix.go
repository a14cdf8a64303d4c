//go:build unix && !linux

package background

import "os"

// letGo closes the pipes to the parent and leaves the folder it was started in.
func letGo() {
	closeOutput()
	_ = os.Chdir("/")
}
