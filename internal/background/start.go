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
	"strings"
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

// Start runs this program again with args, detached, and waits at most timeout
// for its report. A process that does not report is killed. A report that is
// not Ready is returned with a nil error.
func Start(ctx context.Context, args []string, timeout time.Duration) (*Report, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
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
	err = cmd.Start()
	outW.Close()
	errsW.Close()
	if err != nil {
		return nil, fmt.Errorf("start background process: %w", err)
	}

	type result struct {
		r   *Report
		err error
	}
	got := make(chan result, 1)
	go func() {
		r, err := readReport(out)
		got <- result{r, err}
	}()
	said := make(chan string, 1)
	go func() { said <- lastWords(errs) }()

	select {
	case res := <-got:
		if res.err == nil {
			_ = cmd.Process.Release()
			return res.r, nil
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		select {
		case words := <-said:
			if words != "" {
				return nil, fmt.Errorf("background process ended: %s", words)
			}
		case <-ctx.Done():
		}
		return nil, errors.New("background process ended without a word")
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("%w in %v", ErrTimeout, timeout)
	}
}

func readReport(r io.Reader) (*Report, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxReport)).ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	rep := new(Report)
	if err := json.Unmarshal(line, rep); err != nil {
		return nil, err
	}
	return rep, nil
}

// lastWords reads what a failing process wrote to its standard error and
// returns the first line, which for a panic is its cause.
func lastWords(r io.Reader) string {
	b, _ := io.ReadAll(io.LimitReader(r, maxReport))
	line, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n"))
	return strings.TrimSpace(string(line))
}
