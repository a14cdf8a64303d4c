package daemon

import (
	"context"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync"

	"openped/internal/admin"
	"openped/internal/background"
	"openped/internal/bind"
	"openped/internal/cmdline"
	"openped/internal/logs"
	"openped/internal/metrics"
)

// serve is the daemon itself, detached (child is not nil) or in the foreground.
// It reports to the parent whether it came up.
func (c *Call) serve() error {
	d := &running{call: c}
	err := d.run()
	if err == nil || d.ready {
		return err
	}
	e := cause(err)
	c.child.Report(background.Report{Error: e.Message(), Hint: e.Hint, Code: e.Code})
	return startFailure(e)
}

// running is the daemon of this process.
type running struct {
	call    *Call
	log     *logs.Log
	service *Service
	metrics net.Listener // nil: on the administration socket only
	now     *state
	ready   bool
}

func (d *running) run() error {
	c, p := d.call, d.call.Program
	var warnings []string
	if c.child != nil { // else the file is read
		var err error
		if warnings, err = c.read(); err != nil {
			return err
		}
	}
	if err := p.Check(true, c.Values); err != nil {
		return err
	}
	access, err := c.access()
	if err != nil {
		return err
	}
	instance, err := admin.Claim(c.Dirs, p.Name)
	if err != nil {
		return err
	}
	d.log = d.openLog()
	defer d.log.Close()
	for _, w := range warnings {
		d.log.Warn(w)
	}
	if err := d.open(instance); err != nil {
		instance.Close()
		d.log.Error("not started", "err", err)
		return err
	}
	numbers := metrics.New(p.Name, cmdline.VersionText(), d.log.Logger, d.service.Collector)
	a := &admin.Daemon{Name: p.Name, Instance: instance, Log: d.log.Logger, ShutdownTimeout: c.Values.Seconds(p.ShutdownTimeout),
		Endpoints: d.endpoints(numbers), Access: access, Hangup: func() { _, _ = d.reload("SIGHUP") }, Remote: d.service.Remote, Secure: d.service.Secure,
		Ended: func(err error) { // whoever stops it may take the log away once the lock is gone
			d.log.Info("stopped", "err", err)
			_ = d.log.Close()
		}}
	return a.Run(c.ctx, func() {
		d.ready, c.served = true, true
		d.log.Info("started", append([]any{"version", cmdline.Version, "pid", os.Getpid(), "config", c.ConfigPath}, d.service.Started...)...)
		var warnings []string
		if w := d.log.Warning(); w != "" {
			warnings = []string{w}
		}
		c.child.Report(background.Report{Ready: true, Warnings: warnings})
		c.self.Ready(d.log.Warning())
	}, func(ctx context.Context) error { return d.serve(ctx, numbers) })
}

// open opens the service, and before it the port of its metrics: only serving
// closes a service.
func (d *running) open(instance *admin.Instance) error {
	c := d.call
	if port := c.Program.int(c.Values, "metricsport"); port != 0 {
		l, err := bind.Listen(c.ctx, bind.Options{Port: port, Log: d.log.Logger, PortFlag: "metricsport"})
		if err != nil {
			return err
		}
		d.metrics = l
	}
	var err error
	d.service, err = c.Program.Open(Env{c.Dirs, instance, d.log, c.Values, c.ConfigPath})
	if err != nil && d.metrics != nil {
		_ = d.metrics.Close()
	}
	d.now = &state{values: c.Values}
	return err
}

// endpoints are the framework's and the service's.
func (d *running) endpoints(numbers *metrics.Metrics) map[string]admin.Handler {
	all := map[string]admin.Handler{
		"GET /v1/show":    {Remote: true, Group: true, Do: func(context.Context, admin.Body) (any, error) { return d.service.Status(), nil }},
		"GET /v1/config":  {Group: true, Do: func(context.Context, admin.Body) (any, error) { return d.config(), nil }},
		"POST /v1/reload": {Remote: true, Timeout: reloadTime, Do: func(ctx context.Context, _ admin.Body) (any, error) { return d.reload(admin.Caller(ctx)) }},
		"GET /metrics":    {Group: true, HTTP: numbers.Handler()},
	}
	maps.Copy(all, d.service.Endpoints)
	return all
}

// serve serves, and tells the numbers on their port as long.
func (d *running) serve(ctx context.Context, numbers *metrics.Metrics) error {
	defer context.AfterFunc(ctx, d.call.self.Stopping)()
	go d.call.self.Watch(ctx, func() error { d.service.Status(); return nil })
	if d.metrics == nil {
		return d.service.Serve(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() {
		if err := numbers.Serve(ctx, d.metrics, d.log.Logger); err != nil {
			d.log.Error("no metrics on their port any more", "err", err)
		}
	})
	return d.service.Serve(ctx)
}

// openLog opens the log. A crash of the detached process writes its trace there
// too.
func (d *running) openLog() *logs.Log {
	c := d.call
	return logs.Open(logs.Options{Path: c.Values.Text("logfile"), Default: filepath.Join(c.Dirs.State, c.Program.LogName), Stderr: c.Stderr,
		Background: c.unseen(), Local: c.Program.bool(c.Values, "locallogger"), Levels: levels(c.Values), MaxKB: c.Values.Int("maxlogfilesize"), Crash: c.unseen()})
}

// unseen reports whether nobody reads this process's standard error: a journal
// does.
func (c *Call) unseen() bool { return c.child != nil || c.Program.bool(c.Values, "winservice") }
