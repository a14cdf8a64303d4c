package hsm_test

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"openped/protocol/hsmapi"
)

// Whoever runs a command learns what the system said of a write that failed.
func TestDiskFaultsSayWhy(t *testing.T) {
	h, p := ready(t)
	for _, why := range []syscall.Errno{syscall.ENOSPC, syscall.EROFS, syscall.EACCES} {
		h.Driver.Refuse(&fs.PathError{Op: "write", Path: "hsm", Err: why})
		_, err := h.Login(p, blue[0], blue[1])
		h.Driver.Refuse(nil)
		e := want(t, err, hsmapi.CKR_DEVICE_ERROR)
		if !strings.HasSuffix(e.Msg, ": "+why.Error()) {
			t.Errorf("%v: %q", why, e.Msg)
		}
		p.Clear()
		_, err = h.Login(p, blue[0], blue[1])
		want(t, err, hsmapi.CKR_OK)
	}
}
