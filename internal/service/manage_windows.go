package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"

	"openped/internal/localsock"
	"openped/internal/rundir"
)

const onWindows = true

func runFlags(k Kind) []string { return k.WindowsFlags }

func label(name string) string { return name }

// account is the virtual account of the service: it has no password, and no
// rights but those that its access lists give.
func account(s Spec) string { return `NT SERVICE\` + s.Name }

// open opens a service for looking at it, or reports that there is none.
func open(name string, rights uint32) (s *mgr.Service, found bool, err error) {
	m, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT|windows.SC_MANAGER_ENUMERATE_SERVICE)
	if err != nil {
		return nil, false, fmt.Errorf("service manager: %w", err)
	}
	defer windows.CloseServiceHandle(m)
	wide, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, false, err
	}
	h, err := windows.OpenService(m, wide, rights)
	switch {
	case errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("service %s: %w", name, err)
	}
	return &mgr.Service{Name: name, Handle: h}, true, nil
}

// definition asks for how a service starts and what it runs. Service.Config asks for
// more, and has nothing where one question is not answered.
func definition(s *mgr.Service) (start uint32, command string, err error) {
	size := uint32(1 << 10)
	for {
		b := make([]byte, size)
		c := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&b[0]))
		err := windows.QueryServiceConfig(s.Handle, c, size, &size)
		if err == nil {
			return c.StartType, windows.UTF16PtrToString(c.BinaryPathName), nil
		}
		if !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER) || int(size) <= len(b) {
			return 0, "", err
		}
	}
}

// Query returns how a service stands. One that is not there is no error.
func Query(_ context.Context, name string) (State, error) {
	st := State{Name: name, Manager: "Windows", Phase: Stopped}
	s, found, err := open(name, windows.SERVICE_QUERY_CONFIG|windows.SERVICE_QUERY_STATUS)
	if err != nil || !found {
		return st, err
	}
	defer s.Close()
	st.Installed = true
	now, err := s.Query()
	if err != nil {
		return st, fmt.Errorf("service %s: %w", name, err)
	}
	st.PID, st.Said = int(now.ProcessId), said(name)
	switch now.State {
	case svc.StartPending:
		st.Phase = Starting
	case svc.Running:
		st.Phase = Running
	case svc.StopPending:
		st.Phase = Stopping
	case svc.Stopped:
		if endedBadly(now) {
			st.Phase = Failed
		}
	}
	if start, command, err := definition(s); err == nil {
		st.AtBoot, st.Definition = start == mgr.StartAutomatic, command
		st.Program = programOf(command)
		words, _ := windows.DecomposeCommandLine(command)
		if i := slices.Index(words, "-configfile"); i >= 0 && i+1 < len(words) {
			st.ConfigFile = words[i+1]
		}
	}
	return st, nil
}

// why is what Windows knows of a service that said nothing.
func why(_ context.Context, st State, asked error) string {
	if asked != nil {
		return asked.Error()
	}
	return "it said nothing; see the event log, source " + st.Name
}

// prepare makes the service's folders, with access lists, and the group of those
// who may ask it.
func prepare(_ context.Context, s Spec) error {
	d, err := rundir.Service(s.Name)
	if err == nil {
		err = d.Make()
	}
	if err == nil {
		err = addGroup(localsock.WindowsGroup, "May ask the services of the Open Remote PED how they stand")
	}
	return err
}

// takeBack removes what a failed installation has left.
func takeBack(m service.Service, _ Spec) { _ = m.Uninstall() }

// Visible has nothing to say: a service sees what its account may read.
func Visible(string) error { return nil }

// unsay forgets what an earlier start has said.
func unsay(_ context.Context, name string) { removeSaid(name) }

func begin(ctx context.Context, _ service.Service, name string) error {
	s, found, err := open(name, windows.SERVICE_START)
	if err != nil || !found {
		return err
	}
	defer s.Close()
	err = within(ctx, func() error { return s.Start() })
	if errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return nil
	}
	return err
}

// end stops a service, and outwaits the manager if that is about to start it again.
func end(ctx context.Context, _ service.Service, name string) error {
	s, found, err := open(name, windows.SERVICE_STOP|windows.SERVICE_QUERY_STATUS)
	if err != nil || !found {
		return err
	}
	defer s.Close()
	var quiet time.Time
	for {
		now, err := s.Query()
		switch {
		case err != nil:
			return err
		case now.State == svc.Running, now.State == svc.StartPending:
			quiet = time.Time{}
			if _, err := s.Control(svc.Stop); err != nil && !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) && !errors.Is(err, windows.ERROR_SERVICE_CANNOT_ACCEPT_CTRL) {
				return err
			}
		case now.State == svc.Stopped && !endedBadly(now):
			return nil
		case now.State == svc.Stopped && quiet.IsZero():
			quiet = time.Now().Add(retryAfter + time.Second)
		case now.State == svc.Stopped && time.Now().After(quiet):
			return nil
		}
		select {
		case <-time.After(settleTime):
		case <-ctx.Done():
			return errors.New("the service did not end in time")
		}
	}
}

// endedBadly reports whether a service that is stopped has ended with an error.
func endedBadly(now svc.Status) bool {
	return now.Win32ExitCode != 0 && now.Win32ExitCode != uint32(windows.ERROR_SERVICE_NEVER_STARTED)
}

// Recovery: a service that has failed is started again, seven times in a row; then it
// stays down. Its failures are forgotten after a minute without.
const (
	retryAfter  = 2 * time.Second
	retries     = 7
	forgetAfter = time.Minute
)

// quote gives the service's command the quotation marks that an installer left out.
func quote(w *mgr.Service) error {
	_, command, err := definition(w)
	if err != nil || quoted(command) == command {
		return err
	}
	wide, err := windows.UTF16PtrFromString(quoted(command))
	if err != nil {
		return err
	}
	return windows.ChangeServiceConfig(w.Handle, windows.SERVICE_NO_CHANGE, windows.SERVICE_NO_CHANGE, windows.SERVICE_NO_CHANGE,
		wide, nil, nil, nil, nil, nil, nil)
}

// finish has a service that ends with an error started again as one that crashes
// is, whoever has made it.
func finish(_ context.Context, s Spec) error {
	w, found, err := open(s.Name, windows.SERVICE_ALL_ACCESS)
	if err != nil || !found {
		return err
	}
	defer w.Close()
	if err := quote(w); err != nil {
		return fmt.Errorf("its command: %w", err)
	}
	again := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: retryAfter}
	actions := append(slices.Repeat([]mgr.RecoveryAction{again}, retries), mgr.RecoveryAction{Type: mgr.NoAction})
	if err := w.SetRecoveryActions(actions, uint32(forgetAfter.Seconds())); err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	if err := w.SetRecoveryActionsOnNonCrashFailures(true); err != nil && !errors.Is(err, windows.ERROR_INVALID_LEVEL) && !errors.Is(err, windows.ERROR_CALL_NOT_IMPLEMENTED) {
		return fmt.Errorf("recovery: %w", err)
	}
	return nil
}

func removable(context.Context, string) error { return nil }
func forget(_ context.Context, name string)   { removeSaid(name) }

// Run is the service called name: it tells the manager that it runs, before work
// begins, and runs work until the manager wants it to end. It returns what work
// returns. The error is ErrConsole in a process that the manager did not start.
func Run(name string, work func(context.Context, *Self) error) error {
	ignoreSessions()
	h := &handler{name: name, work: work}
	err := svc.Run(name, h)
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return ErrConsole
	}
	return errors.Join(err, h.err)
}

// Events that consoles get, services' too.
const (
	logoffEvent   = 5 // somebody's session ends
	shutdownEvent = 6 // of which the service manager tells
)

// ignoreSessions keeps the service when somebody logs off: Windows tells all
// services of that, and Go would make it the signal that ends a program.
func ignoreSessions() {
	const handled = 1
	add := windows.NewLazySystemDLL("kernel32.dll").NewProc("SetConsoleCtrlHandler")
	_, _, _ = add.Call(windows.NewCallback(func(event uint32) uintptr {
		if event == logoffEvent || event == shutdownEvent {
			return handled // before the handlers that were there
		}
		return 0
	}), 1)
}

// endTime bounds the end of a service; its own bounds are shorter.
const endTime = 30 * time.Second

// failedCode is the exit code of a service that failed, its own and not Windows'.
const failedCode = 2

type handler struct {
	name string
	work func(context.Context, *Self) error
	err  error
}

// Execute implements svc.Handler.
func (h *handler) Execute(_ []string, wishes <-chan svc.ChangeRequest, status chan<- svc.Status) (own bool, code uint32) {
	status <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.work(ctx, fileSelf(h.name, h.log)) }()
	var late <-chan time.Time
	for {
		select {
		case h.err = <-done:
			if h.err != nil {
				return true, failedCode
			}
			return false, 0
		case <-late:
			h.err = fmt.Errorf("service %s did not end within %v", h.name, endTime)
			return true, failedCode
		case w := <-wishes:
			switch w.Cmd {
			case svc.Interrogate:
				status <- w.CurrentStatus
			case svc.Stop, svc.Shutdown:
				status <- svc.Status{State: svc.StopPending, WaitHint: uint32(endTime.Milliseconds())}
				cancel()
				if late == nil {
					late = time.After(endTime)
				}
			}
		}
	}
}

// Numbers of events in Windows' log.
const (
	eventServes = 1
	eventFailed = 3
)

// log writes what matters to Windows' event log.
func (h *handler) log(e event, words string) {
	if e == isStopping {
		return
	}
	l, err := eventlog.Open(h.name)
	if err != nil {
		return
	}
	defer l.Close()
	if e == hasFailed || e == hasEnded {
		_ = l.Error(eventFailed, words)
		return
	}
	_ = l.Info(eventServes, words)
}

// Detect returns nil: a service of Windows gets its Self from Run.
func Detect(string) *Self { return nil }

// Readable has nothing to say: the daemon does if it can not read its file.
func Readable(string, string) error { return nil }
