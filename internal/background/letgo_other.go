//go:build !linux

package background

import "os"

// closeOutput closes the pipes to the parent.
func closeOutput() {
	out, errs := os.Stdout, os.Stderr
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		os.Stdout, os.Stderr = null, null
	}
	_ = out.Close()
	_ = errs.Close()
}
