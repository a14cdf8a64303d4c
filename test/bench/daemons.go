package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"openped/test/lab"
)

// daemons are the real programs, in a folder of their own.
type daemons struct{ bin, dir string }

// readyWait bounds the wait for a daemon.
const readyWait = 20 * time.Second

// newDaemons builds the programs, unless OPENPED_BIN names a folder of them.
func newDaemons() (d *daemons, err error) {
	d = &daemons{bin: os.Getenv(lab.BinEnv)}
	if d.dir, err = os.MkdirTemp("", "openped-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.bin == "" {
		d.bin = d.dir
		build := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", d.bin+string(os.PathSeparator), "openped/cmd/pedserver", "openped/cmd/pedclient")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	if d.bin, err = filepath.Abs(d.bin); err != nil {
		return nil, err
	}
	return d, d.run("pedclient", "-mode", "createhsm", "-hsm", d.path("hsm"), "-serial", "7000001", "-origin", d.path("origin"))
}

func (d *daemons) close()                  { _ = os.RemoveAll(d.dir) }
func (d *daemons) path(name string) string { return filepath.Join(d.dir, name) }

func (d *daemons) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(d.bin, program), args...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "OPENPED_RUNDIR="+d.dir)
	return cmd
}

// run runs a command to its end.
func (d *daemons) run(program string, args ...string) error {
	if out, err := d.command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// serverArgs and clientArgs start the daemons as people do.
func (d *daemons) serverArgs(device string, port int) []string {
	return []string{"-mode", "start", "-ip", "127.0.0.1", "-port", strconv.Itoa(port), "-peddevice", device}
}

func (d *daemons) clientArgs() []string { return []string{"-mode", "start", "-hsm", d.path("hsm")} }

// runServer runs a pedserver in the foreground until stop is called.
func (d *daemons) runServer(device string) (stop func(), addr string, err error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	stop, _, err = d.foreground("pedserver", d.serverArgs(device, port)...)
	if err != nil {
		return nil, "", err
	}
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	return stop, addr, nil
}

// foreground runs a daemon as a child and waits until it is ready: its admin
// socket answers.
func (d *daemons) foreground(program string, args ...string) (stop func(), pid int, err error) {
	cmd := d.command(program, append(args, "-foreground")...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(readyWait):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	for begin := time.Now(); !lab.Answers(d.path(program + ".sock")); time.Sleep(time.Millisecond) {
		select {
		case err := <-ended:
			return nil, 0, fmt.Errorf("%s ended: %v: %s", program, err, bytes.TrimSpace(said.Bytes()))
		default:
		}
		if time.Since(begin) > readyWait {
			stop()
			return nil, 0, fmt.Errorf("%s is not ready: %s", program, bytes.TrimSpace(said.Bytes()))
		}
	}
	return stop, cmd.Process.Pid, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// measureStart prints how long `-mode start` takes until it says that the daemon
// is ready, its background process included.
func (d *daemons) measureStart(w io.Writer, p plan) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	for _, x := range []struct {
		line, program string
		args          []string
	}{
		{"start_to_ready_ms", "pedserver", d.serverArgs("unix:"+d.path("nobody.sock"), port)},
		{"pedclient_start_to_ready_ms", "pedclient", d.clientArgs()},
	} {
		var ms []float64
		for start := time.Now(); len(ms) < p.max && (len(ms) < p.min || time.Since(start) < p.budget); {
			begin := time.Now()
			if err := d.run(x.program, x.args...); err != nil {
				return err
			}
			ms = append(ms, 1e3*time.Since(begin).Seconds())
			if err := d.run(x.program, "-mode", "stop"); err != nil {
				return err
			}
		}
		printLine(w, x.line, "%.1f", median(ms))
	}
	return nil
}

// settle is how long a daemon is left alone before its memory is looked at.
const settle = 3 * time.Second

// measureIdle prints the resident memory of daemons that nobody has called yet.
func (d *daemons) measureIdle(w io.Writer) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	for _, x := range []struct {
		program string
		args    []string
	}{
		{"pedserver", d.serverArgs("unix:"+d.path("nobody.sock"), port)},
		{"pedclient", d.clientArgs()},
	} {
		stop, pid, err := d.foreground(x.program, x.args...)
		if err != nil {
			return err
		}
		time.Sleep(settle)
		kb, err := residentKB(pid)
		stop()
		if err != nil {
			return err
		}
		printLine(w, x.program+"_idle_rss_mb", "%.1f", kb/1024)
	}
	return nil
}

var errNoRSS = errors.New("/proc does not tell the resident memory")

// residentKB is the resident memory of a process, shared pages included.
func residentKB(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			return strconv.ParseFloat(f[1], 64)
		}
	}
	return 0, errNoRSS
}
