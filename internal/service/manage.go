package service

import (
	"context"
	"fmt"
	"time"

	"github.com/kardianos/service"

	"openped/internal/rundir"
)

// Bounds of what a service manager is asked to do. A start may take what the unit
// allows.
const (
	actionTime = 40 * time.Second
	queryTime  = 10 * time.Second
	settleTime = 100 * time.Millisecond // between two looks at a service that starts
)

// program is what kardianos wants to run; our services run by themselves.
type program struct{}

func (program) Start(service.Service) error { return nil }
func (program) Stop(service.Service) error  { return nil }

// manage returns the service manager's view of a service.
func manage(s Spec) (service.Service, error) {
	return service.New(program{}, &service.Config{
		Name: label(s.Name), DisplayName: "Open Remote PED: " + s.Name, Description: s.Description, Executable: s.Path, Arguments: s.arguments(runFlags(s.Kind)),
		UserName: account(s),
		Option: service.KeyValue{
			"SystemdScript": s.Unit(), "LaunchdConfig": s.Plist(),
			"OnFailure": "restart", "OnFailureDelayDuration": "2s", "OnFailureResetPeriod": 60,
		},
	})
}

// Install makes the service and has it start with the computer; it does not start
// it. Whatever of it was made is taken back if it fails. The error wraps
// ErrRights, ErrInstalled or ErrNoManager where it is one of those.
func Install(ctx context.Context, s Spec) error {
	if err := s.Check(); err != nil {
		return err
	}
	if !rundir.Privileged() {
		return ErrRights
	}
	st, err := Query(ctx, s.Name)
	if err != nil {
		return err
	}
	if st.Installed {
		return fmt.Errorf("service %s %w: %s", s.Name, ErrInstalled, st.Definition)
	}
	undo, err := prepare(ctx, s)
	if err != nil {
		return err
	}
	m, err := manage(s)
	if err == nil {
		err = within(ctx, m.Install)
	}
	if err == nil {
		err = finish(ctx, s)
	}
	if err != nil {
		undo()
		return fmt.Errorf("service %s: %w", s.Name, err)
	}
	return nil
}

// Uninstall stops the service and takes its definition away. State and logs stay.
func Uninstall(ctx context.Context, name string) error {
	m, _, err := installed(ctx, name)
	if err != nil {
		return err
	}
	if err := removable(ctx, name); err != nil {
		return err
	}
	if err := Stop(ctx, name); err != nil {
		return err
	}
	if err := within(ctx, m.Uninstall); err != nil {
		return fmt.Errorf("service %s: %w", name, err)
	}
	forget(ctx, name)
	return nil
}

// Start starts the service and returns when it serves. Otherwise the error is a
// *StartError, with the service's own words.
func Start(ctx context.Context, name string) (State, error) {
	return begin(ctx, name, service.Service.Start)
}

// Restart ends the service if it runs, and starts it as Start does.
func Restart(ctx context.Context, name string) (State, error) {
	_, st, err := installed(ctx, name)
	if err == nil && st.Phase == Running {
		err = Stop(ctx, name)
	}
	if err != nil {
		return st, err
	}
	return Start(ctx, name)
}

func begin(ctx context.Context, name string, action func(service.Service) error) (State, error) {
	m, _, err := installed(ctx, name)
	if err != nil {
		return State{}, err
	}
	unsay(name)
	asked := within(ctx, func() error { return action(m) })
	ctx, cancel := context.WithTimeout(ctx, actionTime)
	defer cancel()
	for {
		st, err := Query(ctx, name)
		if err != nil {
			return st, err
		}
		ready, said := serving(st)
		switch {
		case ready:
			return st, nil
		case asked != nil || said != "" || !st.Alive() || st.Phase == Retrying:
			if said == "" {
				said = why(ctx, st, asked)
			}
			return st, &StartError{Name: name, Cause: said, State: st}
		}
		select {
		case <-time.After(settleTime):
		case <-ctx.Done():
			return st, &StartError{Name: name, Cause: fmt.Sprintf("not ready within %v", actionTime), State: st}
		}
	}
}

// Stop ends the service and waits until it is gone; one that does not run is none
// to wait for.
func Stop(ctx context.Context, name string) error {
	m, st, err := installed(ctx, name)
	if err != nil {
		return err
	}
	if !st.Alive() {
		return nil
	}
	if err := within(ctx, m.Stop); err != nil {
		if st, e := Query(ctx, name); e != nil || st.Alive() {
			return fmt.Errorf("service %s: %w", name, err)
		}
	}
	return nil
}

// installed returns a service that is there, to somebody who may manage it.
func installed(ctx context.Context, name string) (service.Service, State, error) {
	if err := rundir.CheckServiceName(name); err != nil {
		return nil, State{}, err
	}
	st, err := Query(ctx, name)
	if err != nil {
		return nil, st, err
	}
	if !st.Installed {
		return nil, st, fmt.Errorf("service %s %w", name, ErrNotInstalled)
	}
	if !rundir.Privileged() {
		return nil, st, ErrRights
	}
	m, err := manage(Spec{Name: name})
	return m, st, err
}

// within has the manager do something, which knows no bound itself.
func within(ctx context.Context, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(actionTime):
		return fmt.Errorf("the service manager did not answer within %v", actionTime)
	}
}
