package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"openped/internal/admin"
	"openped/internal/daemon"
	"openped/internal/rundir"
	"openped/pedserver"
)

// How long the running pedserver may take: connect makes 20 tries.
const (
	askTime        = 5 * time.Second
	connectTime    = 6 * time.Minute
	disconnectTime = 30 * time.Second
)

// appliance is the body of the calls about one.
type appliance struct {
	Name string `json:"name"`
}

// dropped is the answer to /v1/drop.
type dropped struct {
	Last bool `json:"last"` // there is no other
}

// endpoints are the calls that a running pedserver takes besides the framework's.
func (s *server) endpoints() map[string]admin.Handler {
	call := func(d time.Duration, remote, group bool, do func(context.Context, string) (any, error)) admin.Handler {
		return admin.Handler{Timeout: d, Remote: remote, Group: group, Do: func(ctx context.Context, b admin.Body) (any, error) {
			var a appliance
			if err := b.Decode(&a); err != nil {
				return nil, admin.BadRequest(err)
			}
			out, err := do(ctx, a.Name)
			if err != nil {
				return nil, coded(err)
			}
			s.env.Log.Info("administration", "by", admin.Caller(ctx), "appliance", a.Name)
			return out, nil
		}}
	}
	done := struct{}{}
	all := s.deviceEndpoints()
	maps.Copy(all, map[string]admin.Handler{
		"POST /v1/add":        call(0, false, false, func(_ context.Context, name string) (any, error) { return done, s.AddAppliance(name) }),
		"POST /v1/connect":    call(connectTime, true, true, func(ctx context.Context, name string) (any, error) { return done, s.Connect(ctx, name) }),
		"POST /v1/disconnect": call(disconnectTime, true, true, func(ctx context.Context, name string) (any, error) { return done, s.Disconnect(ctx, name) }),
		"POST /v1/drop": call(disconnectTime, true, false, func(ctx context.Context, name string) (any, error) {
			last, err := s.DropAppliance(ctx, name)
			return dropped{last}, err
		}),
	})
	return all
}

// ask makes a call about the appliance that -name names.
func ask(c *daemon.Call, path string, d time.Duration, out any) error {
	client, err := c.Client(d)
	if err != nil {
		return err
	}
	return client.Post(c.Context(), path, appliance{c.Values.Text("name")}, out)
}

// start starts pedserver, or adds an appliance to one that runs peer-to-peer: for
// root that may be the service.
func start(c *daemon.Call) error {
	if !c.Values.Given("name") || c.Values.Bool("foreground") || c.Values.Bool("winservice") {
		return c.Start()
	}
	dirs, err := c.Dirs, error(nil)
	if rundir.Privileged() && dirs.Service == "" {
		dirs, err = rundir.FindDaemon(name)
	}
	var client *admin.Client
	if err == nil {
		client, err = admin.NewClient(dirs, name, askTime)
	}
	if err == nil {
		err = client.Post(c.Context(), "/v1/add", appliance{c.Values.Text("name")}, new(struct{}))
	}
	if errors.Is(err, admin.ErrNotRunning) {
		return c.Start()
	}
	c.Launched("startup")
	if err != nil {
		return c.StartFailed(err)
	}
	fmt.Fprintf(c.Stdout, "%s added to the running Ped Server.\n", c.Values.Text("name"))
	return nil
}

// stop ends pedserver, or lets one appliance go.
func stop(c *daemon.Call) error {
	if !c.Values.Given("name") {
		return c.Stop()
	}
	var d dropped
	if err := ask(c, "/v1/drop", disconnectTime, &d); err != nil {
		c.Launched("shutdown")
		return c.Running(err)
	}
	if d.Last {
		return c.Stop()
	}
	c.Launched("shutdown")
	fmt.Fprintf(c.Stdout, "%s let go; pedserver goes on for the others.\n", c.Values.Text("name"))
	fmt.Fprintln(c.Stdout, "Stop command passed.")
	return nil
}

// connect has the running pedserver call an appliance.
func connect(c *daemon.Call) error {
	c.Launched("")
	fmt.Fprintln(c.Stdout, "Connecting to Luna SA. Please wait....")
	if err := ask(c, "/v1/connect", connectTime, new(struct{})); err != nil {
		return c.Running(err)
	}
	fmt.Fprintln(c.Stdout, "Successfully connected to Luna SA.")
	return nil
}

// disconnect has the running pedserver hang up.
func disconnect(c *daemon.Call) error {
	c.Launched("")
	if err := ask(c, "/v1/disconnect", disconnectTime, new(struct{})); err != nil {
		return c.Running(err)
	}
	fmt.Fprintln(c.Stdout, "Connection to Luna SA terminated.")
	return nil
}

// show prints the status, with -name that of one link.
func show(c *daemon.Call) error {
	if !c.Values.Given("name") {
		return c.Show()
	}
	client, err := c.Client(askTime)
	if err != nil {
		return err
	}
	c.Launched("status")
	st := new(pedserver.Status)
	if err := client.Get(c.Context(), "/v1/show", st); err != nil {
		return c.Running(err)
	}
	if st.Mode == pedserver.ModeLegacy {
		return coded(pedserver.ErrLegacy)
	}
	name := c.Values.Text("name")
	st.Links = slices.DeleteFunc(st.Links, func(l pedserver.LinkStatus) bool { return !strings.EqualFold(l.Name, name) })
	if len(st.Links) == 0 {
		return coded(fmt.Errorf("%s %w", name, pedserver.ErrNotStarted))
	}
	if c.JSON() {
		return c.Print(st)
	}
	st.Show(c.Stdout)
	return nil
}
