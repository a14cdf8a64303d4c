package linkcmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"openped/certs/linkid"
	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/rc"
)

// dialTime is how long an admin port may take to answer.
const dialTime = 5 * time.Second

// Dial reaches the admin port that -adminhost and -admin name, shows this host's
// identity there, and accepts nobody but the owner of -certificate.
func Dial(ctx context.Context, c *daemon.Call) (net.Conn, error) {
	v := c.Values
	id, err := Identity(v)
	if err != nil {
		return nil, err
	}
	if id == nil {
		return nil, NoIdentity("-adminhost")
	}
	cert, err := linkid.LoadCertificate(v.Text("certificate"))
	if err != nil {
		return nil, failure(err)
	}
	host := v.Text("adminhost")
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(v.Int("admin"))))
	if err != nil {
		return nil, unreachable(host, v.Int("admin"), err)
	}
	secure, err := linkid.Client(ctx, conn, id, linkid.Only(linkid.Administrator, host, cert), "")
	var refused *linkid.RefusedError
	switch {
	case err == nil:
		return secure, nil
	case errors.As(err, &refused) && (refused.Reason == linkid.Unregistered || refused.Reason == linkid.Regenerated):
		err = &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.PeerRefused, Err: fmt.Errorf("%s has another certificate than the one given (its SHA-256 %s)", host, refused.Fingerprint),
			Hint: "fetch its certificate again, by a way that you trust"}
	default:
		err = &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.PeerRefused, Err: fmt.Errorf("%s: %w", host, err)}
	}
	return nil, err
}

func unreachable(host string, port int, err error) error {
	code := rc.PeerUnreachable
	if errors.Is(err, context.DeadlineExceeded) {
		code = rc.OperationTimedOut
	}
	return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: code, Err: fmt.Errorf("admin port %d of %s: %w", port, host, err),
		Hint: "is it started there with -eadmin 1, and does the network let you through?"}
}
