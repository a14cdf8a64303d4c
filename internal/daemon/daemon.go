package daemon

import (
	"context"
	"io"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"openped/internal/admin"
	"openped/internal/logs"
	"openped/internal/rundir"
	"openped/internal/service"
	"openped/internal/setting"
)

// Program is one daemon's command line.
type Program struct {
	Name       string   // of the program, its lock and its socket
	Title      string   // how its lines begin: "Ped Server"
	LogName    string   // of the default log file
	ConfigName string   // of the default configuration file
	Sections   []string // where its settings stand there; the first is written
	Help       string   // what -help prints below the version line
	Table      setting.Table
	Commands   []Command

	// Which settings bound the start and the end of the process, and the end of
	// the services inside.
	StartTimeout, StopTimeout, ShutdownTimeout string

	// Check looks at the settings together. For a start it is asked whether they
	// suffice; otherwise only whether they contradict each other.
	Check func(start bool, v *setting.Values) error
	// Open makes what start serves. The log and the claim are the caller's.
	Open func(Env) (*Service, error)
	// Status is an empty status that show decodes into.
	Status func() Status
	// Dial reaches the admin port of the daemon that -adminhost names, with this
	// host's identity; both ends have then proved themselves.
	Dial func(context.Context, *Call) (net.Conn, error)
	// Sockets are further ones in the run folder, which a crash may leave.
	Sockets []string

	// Named are the sections that "config -name X" is about, "Appliance X", and
	// the keys there. Empty: config takes no name.
	Named     string
	NamedKeys []string

	// Service is what the program is as a service.
	Service service.Kind
}

// Command is a top-level option with its word.
type Command struct {
	Top, Word  string // "mode", "start"; Word is "" for -regen
	Help       string // what -help prints below the version line
	Start      string // in start only: what a start needs at least, for hints
	Need       []string
	Positional bool // takes arguments that are no flags (Call.Words)
	AnyConfig  bool // goes on when the configuration file can not be used
	Writes     bool // makes the configuration file if there is none
	Remote     bool // may be meant for a daemon elsewhere, -adminhost
	// Run is the work. Nil: it is one of the framework's, start, stop, show,
	// config and reload of -mode. A program that adds to one of those calls
	// Call.Start and so on.
	Run func(*Call) error
}

// Status is the answer to GET /v1/show.
type Status interface{ Show(io.Writer) }

// Env is where a service runs.
type Env struct {
	Dirs       rundir.Dirs
	Instance   *admin.Instance
	Log        *logs.Log
	Values     *setting.Values
	ConfigPath string // absolute; the file may be missing
}

// Service is an open service.
type Service struct {
	Serve   func(context.Context) error // until ctx ends; closes all that is open
	Status  func() any                  // for show; waits for nothing
	Started []any                       // what the log says of it, slog's way
	// Reload takes new settings, of which only those that are Live differ from
	// the ones before, and what else stands in the configuration file. If it
	// fails nothing may have changed, unless it says so with a *Partly. Nil:
	// nothing to do.
	Reload    func(*setting.Values) error
	Endpoints map[string]admin.Handler // besides show, stop, config, reload
	Collector prometheus.Collector     // its numbers; nil: none of its own
	// Remote is where administrators on the network call, and Secure how they
	// prove themselves. Nil: nowhere.
	Remote net.Listener
	Secure admin.Secure
}

// Partly is what Reload could not do when all else was taken.
type Partly struct{ Err error }

func (e *Partly) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *Partly) Unwrap() error { return e.Err }

// int reads a number that not every program has.
func (p *Program) int(v *setting.Values, name string) int {
	if p.setting(name) == nil {
		return 0
	}
	return v.Int(name)
}

// bool reads a switch that not every program has.
func (p *Program) bool(v *setting.Values, name string) bool {
	return p.setting(name) != nil && v.Bool(name)
}

func (p *Program) setting(name string) *setting.Setting {
	for _, s := range p.Table {
		if s.Name == name {
			return s
		}
	}
	return nil
}
