package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// stage is the temporary folder and everything that runs in it.
type stage struct {
	bin string // folder of the programs
	dir string // everything the programs write

	mu    sync.Mutex
	procs []*process
}

// process is a child of ours, to be ended by us.
type process struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	log   string // its standard error
	done  chan struct{}
	err   error // of Wait, after done
}

func newStage(bin string) (*stage, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "openped-demo-")
	if err != nil {
		return nil, err
	}
	return &stage{bin: bin, dir: dir}, nil
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stage) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "OPENPED_RUNDIR="+s.dir)
	ownGroup(cmd)
	return cmd
}

// run runs a program to its end, at most 30 s, and returns what it printed.
func (s *stage) run(program string, args ...string) (string, error) {
	cmd := s.command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, lastLine(out.String()))
	}
	return out.String(), err
}

// start starts a program that goes on running; its lines on standard output go
// to line, its standard error to a file.
func (s *stage) start(name string, line func(string), program string, args ...string) (*process, error) {
	p := &process{name: name, cmd: s.command(program, args...), log: s.path(name + ".err"), done: make(chan struct{})}
	logFile, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	p.cmd.Stderr = logFile
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.procs = append(s.procs, p)
	s.mu.Unlock()
	go func() {
		readLines(stdout, line)
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// readLines calls line for each line of r until its end.
func readLines(r io.Reader, line func(string)) {
	var rest []byte
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		rest = append(rest, buf[:n]...)
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			line(strings.TrimRight(string(rest[:i]), "\r"))
			rest = rest[i+1:]
		}
		if err != nil {
			if len(rest) > 0 {
				line(string(rest))
			}
			return
		}
	}
}

// until polls ok for at most d; it fails at once when the process has ended.
func (p *process) until(d time.Duration, what string, ok func() bool) error {
	deadline := time.Now().Add(d)
	for !ok() {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended while waiting for %s: %s", p.name, what, p.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: no %s within %v: %s", p.name, what, d, p.lastWords())
		}
	}
	return nil
}

// lastWords is the end of what the process had to say.
func (p *process) lastWords() string {
	b, err := os.ReadFile(p.log)
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return "it said nothing"
	}
	return lastLine(string(b))
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// stop asks the process to end and makes it end after 5 s.
func (p *process) stop() {
	_ = p.stdin.Close()
	_ = terminate(p.cmd.Process)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// close ends all processes, the youngest first, and removes the folder unless
// it is to be kept.
func (s *stage) close(keep bool) error {
	s.mu.Lock()
	procs := s.procs
	s.procs = nil
	s.mu.Unlock()
	for i := len(procs) - 1; i >= 0; i-- {
		procs[i].stop()
	}
	if keep {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// exists reports whether path is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
