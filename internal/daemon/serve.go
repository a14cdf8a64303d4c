package daemon

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"openped/internal/admin"
	"openped/internal/background"
	"openped/internal/cmdline"
	"openped/internal/logs"
	"openped/internal/rundir"
)

// serve is the daemon itself, detached (child is not nil) or in the foreground.
// It reports to the parent whether it came up.
func (p *Program) serve(job Job, dirs rundir.Dirs, child *background.Child, stderr io.Writer) error {
	err := p.daemon(job, dirs, child, stderr)
	if err == nil {
		return nil
	}
	ee, ok := errors.AsType[*cmdline.ExitError](err)
	if !ok {
		ee = &cmdline.ExitError{Code: cmdline.ExitFailed, Err: err}
		if h, ok := errors.AsType[interface {
			error
			admin.Hinter
		}](err); ok {
			ee.Hint = h.Hint()
		}
	}
	child.Report(background.Report{Error: ee.Err.Error(), Hint: ee.Hint, Code: ee.Code})
	return ee
}

func (p *Program) daemon(job Job, dirs rundir.Dirs, child *background.Child, stderr io.Writer) error {
	instance, err := admin.Claim(dirs, p.Name)
	if err != nil {
		return err
	}
	log := p.openLog(job.Common(), dirs, child, stderr)
	defer log.Close()
	service, err := job.Open(Env{dirs, instance, log})
	if err != nil {
		instance.Close()
		log.Error("not started", "err", err)
		return err
	}
	d := &admin.Daemon{Name: p.Name, Instance: instance, Log: log.Logger, ShutdownTimeout: job.Common().Shutdown,
		Endpoints: map[string]admin.Handler{"GET /v1/show": func(context.Context) (any, error) { return service.Status(), nil }}}
	err = d.Run(context.Background(), func() {
		log.Info("started", append([]any{"version", cmdline.Version, "pid", os.Getpid()}, service.Started...)...)
		var warnings []string
		if w := log.Warning(); w != "" {
			warnings = []string{w}
		}
		child.Report(background.Report{Ready: true, Warnings: warnings})
	}, service.Serve)
	log.Info("stopped", "err", err)
	return err
}

// openLog opens the log. A crash of the detached process writes its trace there
// too.
func (p *Program) openLog(o *Options, dirs rundir.Dirs, child *background.Child, stderr io.Writer) *logs.Log {
	return logs.Open(logs.Options{Path: o.LogFile, Default: filepath.Join(dirs.State, p.LogName), Stderr: stderr,
		Background: child != nil, Levels: o.Levels, Crash: child != nil})
}
