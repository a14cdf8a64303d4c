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
	settleTime = 100 * time.Millisecond // between two looks at a service that starts
	wordTime   = 4 * time.Second        // for a service that did not start to say why: its next try may have begun
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
		Option:   service.KeyValue{"SystemdScript": s.Unit(), "LaunchdConfig": s.Plist()},
	})
}

// Install makes the service and has it start with the computer; it does not start
// it. If it fails the service is taken back; users, groups and folders that were
// made stay. The error wraps ErrRights, ErrInstalled or ErrNoManager where it is one
// of those.
func Install(ctx context.Context, s Spec) error {
	if err := s.Check(); err != nil {
		return err
	}
	if !rundir.Privileged() {
		return ErrRights
	}
	ctx, cancel := context.WithTimeout(ctx, actionTime)
	defer cancel()
	st, err := Query(ctx, s.Name)
	if err != nil {
		return err
	}
	if st.Installed {
		return fmt.Errorf("service %s %w: %s", s.Name, ErrInstalled, st.Definition)
	}
	if err := reachable(s.Path); err != nil {
		return fmt.Errorf("service %s: %w", s.Name, err)
	}
	m, err := manage(s)
	if err == nil {
		err = prepare(ctx, s)
	}
	if err == nil {
		if err = within(ctx, m.Install); err == nil {
			err = finish(ctx, s)
		}
		if err != nil {
			takeBack(m, s)
		}
	}
	if err != nil {
		return fmt.Errorf("service %s: %w", s.Name, err)
	}
	return nil
}

// Prepare makes what is around a service that a package has made: its folders and
// groups, and what happens when it fails. What is there already is put right.
func Prepare(ctx context.Context, s Spec) error {
	if _, _, err := installed(ctx, s.Program, s.Name); err != nil {
		return err
	}
	exe, err := own()
	if err == nil {
		err = reachable(exe)
	}
	if err == nil {
		err = prepare(ctx, s)
	}
	if err == nil {
		err = finish(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("service %s: %w", s.Name, err)
	}
	return nil
}

// Uninstall stops the service and takes its definition away. State and logs stay.
func Uninstall(ctx context.Context, program, name string) error {
	m, _, err := installed(ctx, program, name)
	if err != nil {
		return err
	}
	if err := removable(ctx, name); err != nil {
		return err
	}
	if err := Stop(ctx, program, name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, actionTime)
	defer cancel()
	if err := within(ctx, m.Uninstall); err != nil {
		return fmt.Errorf("service %s: %w", name, err)
	}
	forget(ctx, name)
	return nil
}

// Start starts the service and returns when it serves. Otherwise the error is a
// *StartError, with the service's own words.
func Start(ctx context.Context, program, name string) (State, error) {
	m, st, err := installed(ctx, program, name)
	if err != nil {
		return State{}, err
	}
	if ready, _ := serving(st); ready {
		return st, nil
	}
	bound, cancel := context.WithTimeout(ctx, actionTime)
	defer cancel()
	unsay(bound, name)
	asked := begin(bound, m, name)
	words := time.Now().Add(wordTime)
	for {
		st, err := Query(ctx, name)
		if err != nil {
			return st, err
		}
		failed := asked != nil || !st.Alive() || st.Phase == Retrying
		switch ready, cause := serving(st); {
		case ready:
			return st, nil
		case cause != "":
			return st, &StartError{Name: name, Cause: cause, State: st}
		case failed && time.Now().After(words):
			return st, &StartError{Name: name, Cause: why(ctx, st, asked), State: st}
		}
		select {
		case <-time.After(settleTime):
		case <-bound.Done():
			return st, &StartError{Name: name, Cause: fmt.Sprintf("not ready within %v; it is still %s", actionTime, st.Phase), State: st}
		}
	}
}

// Restart ends the service if it runs, and starts it as Start does.
func Restart(ctx context.Context, program, name string) (State, error) {
	if err := Stop(ctx, program, name); err != nil {
		return State{}, err
	}
	return Start(ctx, program, name)
}

// Stop ends the service and waits until it is gone; one that does not run is none
// to wait for.
func Stop(ctx context.Context, program, name string) error {
	m, st, err := installed(ctx, program, name)
	if err != nil {
		return err
	}
	if st.Over() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, actionTime)
	defer cancel()
	if err := end(ctx, m, name); err != nil {
		if st, e := Query(context.Background(), name); e != nil || st.Alive() {
			return fmt.Errorf("service %s: %w", name, err)
		}
	}
	return nil
}

// installed returns a service of the program that is there, to somebody who may
// manage it.
func installed(ctx context.Context, program, name string) (service.Service, State, error) {
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
	if st.Program != "" && st.Program != program {
		return nil, st, fmt.Errorf("service %s %w: %s", name, ErrForeign, st.Program)
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
		return fmt.Errorf("the service manager did not answer in time: %w", ctx.Err())
	}
}
