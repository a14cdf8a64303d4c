package service

import (
	"errors"
	"fmt"
)

// Phase is where a service is in its life.
type Phase string

// The phases. A Retrying service has failed and will be started again by itself.
const (
	Stopped  Phase = "stopped"
	Starting Phase = "starting"
	Running  Phase = "running"
	Stopping Phase = "stopping"
	Retrying Phase = "failed, will be tried again"
	Failed   Phase = "failed"
)

// State is what the service manager knows of a service.
type State struct {
	Name       string `json:"name"`
	Program    string `json:"program"` // that it runs; empty: not known
	Manager    string `json:"manager"` // "systemd", "Windows", "launchd"
	Installed  bool   `json:"installed"`
	Phase      Phase  `json:"phase"`
	AtBoot     bool   `json:"atBoot"`     // started when the computer starts
	PID        int    `json:"pid"`        // 0: none
	Restarts   int    `json:"restarts"`   // by the manager, since somebody started it
	Definition string `json:"definition"` // its file, or its command line
	ConfigFile string `json:"configFile"` // named by the definition; empty: the service's own
	Said       string `json:"said"`       // by the service itself, of how it stands
}

// Over reports whether there is no process, and will be none by itself. Windows does
// not tell whether it is about to start one again that has failed.
func (s State) Over() bool { return s.Phase == Stopped || s.Phase == Failed && !onWindows }

// Alive reports whether there is a process, or will be one by itself.
func (s State) Alive() bool { return s.Phase != Stopped && s.Phase != Failed }

var (
	// ErrNoManager is the error on a computer whose services nobody manages that
	// this package knows.
	ErrNoManager = errors.New("this system has no service manager that is supported")
	// ErrRights is the error for a user who may not manage services.
	ErrRights = errors.New("not permitted: services are an administrator's business")
	// ErrNotInstalled is the error for a service that is not there.
	ErrNotInstalled = errors.New("is not installed")
	// ErrForeign is the error for a service of another program.
	ErrForeign = errors.New("is a service of another program")
	// ErrInstalled is the error for a name that is taken.
	ErrInstalled = errors.New("is installed already")
	// ErrConsole is the error of Run in a process that no service manager started.
	ErrConsole = errors.New("not started by the service manager")
	// ErrUnsupported is the error of Run where services need no such thing.
	ErrUnsupported = errors.New("only Windows has such services")
)

// A StartError is a service that did not come up: why, as it said itself.
type StartError struct {
	Name  string
	Cause string // empty: it said nothing
	State State
}

func (e *StartError) Error() string {
	if e.Cause == "" {
		return fmt.Sprintf("service %s did not start (%s)", e.Name, e.State.Phase)
	}
	return fmt.Sprintf("service %s did not start: %s", e.Name, e.Cause)
}

// PackagedError says that a service belongs to a package.
type PackagedError struct{ Definition string }

func (e *PackagedError) Error() string { return e.Definition + " belongs to a package" }

// Hint returns the remedy.
func (e *PackagedError) Hint() string { return "remove the package instead" }
