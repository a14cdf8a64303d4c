package admin

import (
	"fmt"

	"openped/internal/cmdline"
	"openped/internal/rc"
	"openped/internal/rundir"
)

// errMember is the answer to a member of the group who asks for what only the
// owner may.
var errMember = &cmdline.ExitError{RC: rc.AccessDenied, Err: fmt.Errorf("only %s and the user of the service may", superuser), Hint: "ask " + superuser}

// denied is the error of who may not connect: it tells how one gets to.
func denied(dirs rundir.Dirs, socket string) error {
	hint := "ask " + superuser
	if group := groupOf(dirs.Run, socket); group != "" {
		hint = "join group " + cmdline.Printable(group) + ", or ask " + superuser
	}
	return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.AccessDenied, Err: fmt.Errorf("%w: %s", ErrForeign, socket), Hint: hint}
}
