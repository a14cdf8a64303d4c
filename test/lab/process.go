package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Process is a running program, to be ended by whoever started it.
type Process struct {
	Name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	log   string // its standard error
	done  chan struct{}
}

func (p *Process) start(line func(string)) error {
	logFile, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	p.cmd.Stderr = logFile
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		readLines(stdout, line)
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return nil
}

// readLines calls line for each line of r until its end.
func readLines(r io.Reader, line func(string)) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if line != nil {
			line(in.Text())
		}
	}
	_, _ = io.Copy(io.Discard, r) // a line too long: keep the program from blocking
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Type writes one line to the standard input.
func (p *Process) Type(line string) error {
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		return fmt.Errorf("%s: %w: %s", p.Name, err, p.LastWords())
	}
	return nil
}

// Done is closed when the process has ended and all it printed was read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Until polls ok for at most d; it fails at once when the process has ended.
func (p *Process) Until(d time.Duration, what string, ok func() bool) error {
	deadline := time.Now().Add(d)
	for !ok() {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended while waiting for %s: %s", p.Name, what, p.LastWords())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: no %s within %v: %s", p.Name, what, d, p.LastWords())
		}
	}
	return nil
}

// Said is all that the process has written to standard error.
func (p *Process) Said() string {
	b, _ := os.ReadFile(p.log)
	return string(b)
}

// LastWords is the last line that the process had to say on standard error.
func (p *Process) LastWords() string {
	b, err := os.ReadFile(p.log)
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return "it said nothing"
	}
	return lastLine(string(b))
}

// complaints is how many bytes the process has written to standard error.
func (p *Process) complaints() int64 {
	fi, err := os.Stat(p.log)
	if err != nil {
		return 0
	}
	return fi.Size()
}

// Kill ends the process as a crash would (SIGKILL) and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Stop asks the process to end and makes it end after 5 s.
func (p *Process) Stop() {
	_ = p.Thaw()
	_ = p.stdin.Close()
	_ = terminate(p.cmd.Process)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.Kill()
	}
}

// tail is the end of a text, at most n lines.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
