package daemon

import (
	"context"
	"io"
	"time"

	"openped/internal/admin"
	"openped/internal/cmdline"
	"openped/internal/logs"
	"openped/internal/rundir"
)

// Program is one daemon's command line.
type Program struct {
	Name    string // of the program, its lock and its socket
	Title   string // how its lines begin: "Ped Server"
	Purpose string // one line
	LogName string // of the default log file
	Modes   []Mode // start, show, stop, and others that are the job's own
	New     func() Job
}

// Mode is a line of the help.
type Mode struct {
	Name string
	Args string // what it needs at least
	Does string
}

// Job is what a program adds: its options, with their defaults before Flags'
// setters run, and its work.
type Job interface {
	// Common are the options that daemon acts on.
	Common() *Options
	// Flags are the options of a mode.
	Flags(mode string) *cmdline.Set
	// Check looks at the options of a mode together.
	Check(mode string) error
	// Open makes what start serves. The log and the claim are the caller's.
	Open(Env) (*Service, error)
	// Status is an empty status that show decodes into.
	Status() Status
}

// Doer is a Job with modes of its own, which need no run folder.
type Doer interface {
	Do(mode string, stdout io.Writer) error
}

// Status is the answer to GET /v1/show.
type Status interface{ Show(io.Writer) }

// Options are what both daemons take.
type Options struct {
	Start, Stop time.Duration // of the background process
	Shutdown    time.Duration // of the services inside
	LogFile     string        // empty: the default one
	Levels      logs.Levels
	Foreground  bool
	Force       bool // stop only
}

// Env is where a service runs.
type Env struct {
	Dirs     rundir.Dirs
	Instance *admin.Instance
	Log      *logs.Log
}

// Service is an open service.
type Service struct {
	Serve   func(context.Context) error // until ctx ends; closes all that is open
	Status  func() any                  // for show; waits for nothing
	Started []any                       // what the log says of it, slog's way
}

func (p *Program) modes() []string {
	var names []string
	for _, m := range p.Modes {
		names = append(names, m.Name)
	}
	return names
}
