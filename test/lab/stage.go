package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// runLimit bounds a program that is to end by itself.
const runLimit = 60 * time.Second

// Stage is a folder and the processes that run in it. It is the run folder of
// all of them (OPENPED_RUNDIR) unless they are installed, so stages do not see
// each other.
type Stage struct {
	Bin string // folder of the programs
	Dir string // everything the programs write

	Places map[string]Place // by program: where or as whom it is started; not all are named

	// Installed programs find their folders and services as they do for everybody:
	// what the stage keeps is no business of theirs.
	Installed bool

	clock bool // programs have a clock that can be set
	mu    sync.Mutex
	procs []*Process
}

// NewStage makes a stage in a new folder below parent, or the system's temporary
// one: its path has to be short enough for sockets.
func NewStage(bin, parent string) (*Stage, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, "openped-")
	if err != nil {
		return nil, err
	}
	return &Stage{Bin: bin, Dir: dir}, nil
}

// Path is the path of a file in the stage's folder.
func (s *Stage) Path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Stage) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.Bin, program), args...)
	cmd.Dir = s.Dir
	cmd.Env = os.Environ()
	if !s.Installed {
		cmd.Env = append(cmd.Env, "OPENPED_RUNDIR="+s.Dir)
	}
	if s.clock {
		cmd.Env = append(cmd.Env, ClockEnv+"="+s.clockPath(program))
	}
	ownGroup(cmd)
	if p := s.Places[program]; p != nil {
		p.Put(cmd)
	}
	return cmd
}

// Run runs a program to its end, at most 60 s, and returns all it printed. The
// error of a program that failed wraps *exec.ExitError and ends with its last
// line.
func (s *Stage) Run(program string, args ...string) (string, error) {
	return s.RunInput("", program, args...)
}

// RunInput is Run with something on the standard input.
func (s *Stage) RunInput(input, program string, args ...string) (string, error) {
	cmd := s.command(program, args...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	timer := time.AfterFunc(runLimit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, lastLine(out.String()))
	}
	return out.String(), err
}

// Start starts a program that goes on running. Its lines on standard output go
// to line, its standard error to NAME.err in the stage's folder (appended to,
// when a process of that name ran before).
func (s *Stage) Start(name string, line func(string), program string, args ...string) (*Process, error) {
	p := &Process{Name: name, cmd: s.command(program, args...), log: s.Path(name + ".err"), done: make(chan struct{})}
	if err := p.start(line); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.procs = append(s.procs, p)
	return p, nil
}

// Processes returns all processes started, the oldest first, ended ones too.
func (s *Stage) Processes() []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.procs)
}

// Close ends all processes, the youngest first, and removes the folder unless
// it is to be kept.
func (s *Stage) Close(keep bool) error {
	procs := s.Processes()
	for i := len(procs) - 1; i >= 0; i-- {
		procs[i].Stop()
	}
	if keep {
		return nil
	}
	return os.RemoveAll(s.Dir)
}

// ExitCode is the exit code in an error of Run: 0 for none, -1 for a program that
// was killed or did not start.
func ExitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// Exists reports whether there is a file at path.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
