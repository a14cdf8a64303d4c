package cli

import (
	"context"
	"fmt"
	"time"

	"openped/internal/admin"
	"openped/internal/daemon"
	"openped/pedserver"
)

// deviceTime is how long the running pedserver may take to close the PED, or to
// look for it: a dialogue at the PED is ended first.
const deviceTime = 15 * time.Second

// giveUp is the body of /v1/release.
type giveUp struct {
	Force bool `json:"force"` // although an HSM has the PED; only the owner may
}

// deviceEndpoints are the calls about the PED. They are for this computer only:
// who needs the PED is at it.
func (s *server) deviceEndpoints() map[string]admin.Handler {
	return map[string]admin.Handler{
		"POST /v1/release": {Timeout: deviceTime, Group: true, Do: func(ctx context.Context, b admin.Body) (any, error) {
			var g giveUp
			if err := b.Decode(&g); err != nil {
				return nil, admin.BadRequest(err)
			}
			if err := admin.Owner(ctx); g.Force && err != nil {
				return nil, err
			}
			s.env.Log.Info("administration", "by", admin.Caller(ctx), "release", true, "force", g.Force)
			if err := s.ReleasePED(ctx, g.Force); err != nil {
				return nil, coded(err)
			}
			return struct{}{}, nil
		}},
		"POST /v1/claim": {Timeout: deviceTime, Group: true, Do: func(ctx context.Context, _ admin.Body) (any, error) {
			s.env.Log.Info("administration", "by", admin.Caller(ctx), "claim", true)
			return s.ClaimPED(), nil
		}},
	}
}

// release has the running pedserver give the PED up for other programs.
func release(c *daemon.Call) error {
	if err := post(c, "/v1/release", giveUp{c.Values.Bool("force")}, new(struct{})); err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, "PED given up until -mode claim, or the next start.")
	fmt.Fprintln(c.Stdout, "Release command passed.")
	return nil
}

// claim has it take the PED back.
func claim(c *daemon.Call) error {
	var st pedserver.PEDStatus
	if err := post(c, "/v1/claim", struct{}{}, &st); err != nil {
		return err
	}
	st.Show(c.Stdout)
	fmt.Fprintln(c.Stdout, "Claim command passed.")
	return nil
}

func post(c *daemon.Call, path string, body, out any) error {
	client, err := c.Client(deviceTime)
	if err != nil {
		return err
	}
	c.Launched("")
	return c.Running(client.Post(c.Context(), path, body, out))
}
