package admin

import (
	"context"
	"fmt"

	"openped/internal/cmdline"
	"openped/internal/localsock"
	"openped/internal/rc"
	"openped/internal/rundir"
)

// errMember is the answer to a member of the group who asks for what only the
// owner may.
var errMember = &cmdline.ExitError{RC: rc.AccessDenied, Err: fmt.Errorf("only %s and the user of the service may", localsock.Superuser), Hint: "ask " + localsock.Superuser}

// Owner returns an error for a caller who is only a member of the group, for what of a
// call the owner alone may ask for.
func Owner(ctx context.Context) error {
	if callerOf(ctx).member {
		return errMember
	}
	return nil
}

// denied is the error of who may not connect: it tells how one gets to.
func denied(dirs rundir.Dirs, socket string) error {
	return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.AccessDenied, Err: fmt.Errorf("%w: %s", ErrForeign, socket), Hint: localsock.Remedy(dirs.Run, socket)}
}
