package background

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// env marks the detached process.
const env = "OPENPED_BACKGROUND"

// maxReport bounds what the parent reads from the child, in bytes.
const maxReport = 64 << 10

// Report is what the detached process tells its parent, once.
type Report struct {
	Ready    bool     `json:"ready"`
	Warnings []string `json:"warnings,omitempty"`
	Error    string   `json:"error,omitempty"`
	Hint     string   `json:"hint,omitempty"`
	Code     int      `json:"code,omitempty"` // exit code to leave with
	PID      int      `json:"pid"`
}

// ErrTimeout is wrapped by the error of a process that did not report in time.
var ErrTimeout = errors.New("background process did not become ready")

const (
	termTime = time.Second     // for a process to end when asked
	killTime = 2 * time.Second // for the end of a killed one
)

// Start runs this program again with args, detached, and waits at most timeout
// for its report. A process that does not report, or whose starter is
// interrupted meanwhile, is ended. A report that is not Ready is returned with a
// nil error.
func Start(ctx context.Context, args []string, timeout time.Duration) (*Report, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	late := time.NewTimer(timeout)
	defer late.Stop()
	out, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	errs, errsW, err := os.Pipe()
	if err != nil {
		outW.Close()
		return nil, err
	}
	defer errs.Close()

	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), env+"=1")
	cmd.Stdout, cmd.Stderr = outW, errsW
	detach(cmd)
	keepOpenFiles()
	err = cmd.Start()
	outW.Close()
	errsW.Close()
	if err != nil {
		return nil, fmt.Errorf("start background process: %w", err)
	}
	ended := make(chan struct{})
	go func() { // for as long as this process lives, so that none is left as a zombie
		_ = cmd.Wait()
		close(ended)
	}()
	got := make(chan *Report, 1)
	go func() { got <- readReport(out) }()
	said := make(chan string, 1)
	go func() { said <- lastWords(errs) }()

	select {
	case r := <-got:
		if r != nil {
			return r, nil
		}
		end(cmd.Process, ended, 0)
		select {
		case words := <-said:
			if words != "" {
				return nil, fmt.Errorf("background process ended: %s", words)
			}
		case <-late.C:
		}
		return nil, errors.New("background process ended without a word")
	case <-ctx.Done():
		end(cmd.Process, ended, termTime)
		return nil, errors.New("interrupted; the background process was ended")
	case <-late.C:
		end(cmd.Process, ended, termTime)
		return nil, fmt.Errorf("%w in %v", ErrTimeout, timeout)
	}
}

// end ends a process: it may clean up for a moment.
func end(p *os.Process, ended <-chan struct{}, patience time.Duration) {
	if patience > 0 && p.Signal(syscall.SIGTERM) == nil && within(ended, patience) {
		return
	}
	_ = p.Kill()
	within(ended, killTime)
}

func within(ended <-chan struct{}, d time.Duration) bool {
	select {
	case <-ended:
		return true
	case <-time.After(d):
		return false
	}
}

// readReport returns nil for what is no report.
func readReport(r io.Reader) *Report {
	line, err := bufio.NewReader(io.LimitReader(r, maxReport)).ReadBytes('\n')
	if err != nil {
		return nil
	}
	rep := new(Report)
	if json.Unmarshal(line, rep) != nil {
		return nil
	}
	return rep
}

// lastWords reads what a failing process wrote to its standard error and
// returns the first line, which for a panic is its cause.
func lastWords(r io.Reader) string {
	b, _ := io.ReadAll(io.LimitReader(r, maxReport))
	line, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n"))
	return strings.TrimSpace(string(line))
}
