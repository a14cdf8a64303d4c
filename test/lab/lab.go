package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"openped/pedserver"
)

// Limits of what takes no person.
const (
	startLimit = 20 * time.Second
	pollLimit  = 15 * time.Second
)

// KeepEnv keeps the folders of failed labs when it is set.
const KeepEnv = "OPENPED_KEEP"

// Options say what a lab is made of. The zero value is one new HSM, a PED in
// Pair mode that knows its root, light keys, and no relay.
type Options struct {
	HSMs   int      // 0 is 1
	Blanks []string // PED keys to make; nil is those of Cast
	From   string   // a folder saved by Save: its HSMs, keys, PED state and settings
	Mode   string   // the PED's at its first start: "" is pair in a new lab, remote in one from Save
	Relay  bool     // pedclient is told the relay's address in place of pedserver's
	Trace  bool     // all daemons log at trace level

	PEDFlags, ServerFlags, ClientFlags []string // further flags
	StrongKeys                         bool     // the full cost of PINs
}

// Lab is a whole system for one test.
type Lab struct {
	*Stage
	T     testing.TB
	Relay *Relay // nil without one
	Port  int    // pedserver's own, on 127.0.0.1

	opts Options

	mu      sync.Mutex
	ped     *PED
	server  *Process
	client  *Process
	console *Console
}

// Serial is the serial number of HSM n, from 1.
func Serial(n int) string { return strconv.Itoa(7000000 + n) }

// New makes a lab with nothing running yet.
func New(t testing.TB, o Options) *Lab {
	t.Helper()
	s, err := NewStage(Bin(t))
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{Stage: s, T: t, opts: o}
	t.Cleanup(l.close)
	if l.Port, err = FreePort(); err != nil {
		t.Fatal(err)
	}
	if o.Relay {
		if l.Relay, err = NewRelay(fmt.Sprintf("127.0.0.1:%d", l.Port)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Relay.Close)
	}
	if o.From != "" {
		if err := os.CopyFS(s.Dir, os.DirFS(o.From)); err != nil {
			t.Fatal(err)
		}
		l.opts.HSMs = l.count()
		return l
	}
	if l.opts.HSMs == 0 {
		l.opts.HSMs = 1
	}
	for n := range l.opts.HSMs {
		if _, err := s.Run("pedclient", "-mode", "createhsm", "-hsm", l.HSMFile(n+1), "-serial", Serial(n+1), "-origin", s.Path("origin")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(l.Keys(), 0o700); err != nil {
		t.Fatal(err)
	}
	return l
}

// Start is New with the daemons running, and ready.
func Start(t testing.TB, o Options) *Lab {
	t.Helper()
	l := New(t, o)
	l.StartPED()
	l.StartServer()
	l.StartClient()
	return l
}

func (l *Lab) count() int {
	n := 0
	for Exists(l.HSMFile(n + 1)) {
		n++
	}
	return n
}

// HSMFile is the state file of HSM n, from 1: slot n.
func (l *Lab) HSMFile(n int) string { return l.Path("hsm" + strconv.Itoa(n)) }

// Keys is the folder of the PED keys.
func (l *Lab) Keys() string { return l.Path("keys") }

// PED is the softped of the moment.
func (l *Lab) PED() *PED {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ped
}

// Server is the pedserver of the moment.
func (l *Lab) Server() *Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.server
}

// Client is the pedclient of the moment.
func (l *Lab) Client() *Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client
}

// StartPED starts softped, again too.
func (l *Lab) StartPED() *PED {
	l.T.Helper()
	sock, ctl := l.Path("ped.sock"), l.Path("ped.ctl")
	args := []string{"-listen", "unix:" + sock, "-keys", l.Keys(), "-state", l.Path("ped.state"), "-root", l.Path("origin/origin.pem"),
		"-control", "unix:" + ctl, "-logfile", l.Path("softped.log")}
	if l.opts.Trace {
		args = append(args, "-logtrace", "1")
	}
	if !l.opts.StrongKeys {
		args = append(args, "-keycost", "light")
	}
	if mode := l.mode(); mode != "" {
		args = append(args, "-mode", mode)
	}
	blanks := l.opts.Blanks
	if blanks == nil && l.opts.From == "" {
		blanks = Cast
	}
	for _, b := range blanks {
		args = append(args, "-blank", b)
	}
	_ = os.Remove(ctl)
	p, err := StartPED(l.Stage, append(args, l.opts.PEDFlags...)...)
	if err == nil {
		// It comes last: the other one takes callers by then.
		err = p.Until(startLimit, "control socket", func() bool { return Exists(ctl) })
	}
	if err != nil {
		l.T.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ped = p
	return p
}

// mode is what softped is started in: a restart has it in the default mode.
func (l *Lab) mode() string {
	switch {
	case l.PED() != nil:
		return ""
	case l.opts.Mode == "" && l.opts.From == "":
		return "pair"
	}
	return l.opts.Mode
}

// StartServer starts pedserver, again too: on the same port.
func (l *Lab) StartServer() *Process {
	l.T.Helper()
	args := []string{"-mode", "start", "-foreground", "-ip", "127.0.0.1", "-port", strconv.Itoa(l.Port), "-peddevice", "unix:" + l.Path("ped.sock"), "-logfile", l.Path("pedserver.log")}
	p := l.daemon("pedserver", append(args, l.opts.ServerFlags...))
	if err := p.Until(startLimit, "answer", func() bool { _, err := l.ServerStatus(); return err == nil }); err != nil {
		l.T.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server = p
	return p
}

// StartClient starts pedclient with all HSMs, again too.
func (l *Lab) StartClient() *Process {
	l.T.Helper()
	args := []string{"-mode", "start", "-foreground", "-logfile", l.Path("pedclient.log")}
	for n := range l.opts.HSMs {
		args = append(args, "-hsm", l.HSMFile(n+1))
	}
	p := l.daemon("pedclient", append(args, l.opts.ClientFlags...))
	if err := p.Until(startLimit, "answer", func() bool { return answers(l.Path("hsm.sock")) }); err != nil {
		l.T.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client = p
	return p
}

func (l *Lab) daemon(name string, args []string) *Process {
	l.T.Helper()
	if l.opts.Trace {
		args = append(args, "-logtrace", "1")
	}
	p, err := l.Start(name, nil, name, args...)
	if err != nil {
		l.T.Fatal(err)
	}
	return p
}

// answers reports whether somebody takes connections on a unix socket.
func answers(path string) bool {
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// ServerStatus is what pedserver says of itself on its admin socket, which is
// where `pedserver -mode show` has it from.
func (l *Lab) ServerStatus() (pedserver.Status, error) {
	var st pedserver.Status
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", l.Path("pedserver.sock"))
		},
	}}
	r, err := c.Get("http://local/v1/show")
	if err != nil {
		return st, err
	}
	defer r.Body.Close()
	return st, json.NewDecoder(r.Body).Decode(&st)
}

// Console is hsmcm's prompt, started when it is first wanted and again when it
// has ended.
func (l *Lab) Console() *Console {
	l.T.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.console == nil || !l.console.Running() {
		c, err := StartConsole(l.Stage)
		if err != nil {
			l.T.Fatal(err)
		}
		l.console = c
	}
	return l.console
}

// HSMCM runs one console command as a program of its own.
func (l *Lab) HSMCM(args ...string) (output string, err error) { return l.Run("hsmcm", args...) }

// Connect is the console command that connects to the PED, by the relay if there
// is one.
func (l *Lab) Connect(flags ...string) string {
	port := l.Port
	if l.Relay != nil {
		port = l.Relay.Port()
	}
	return strings.Join(append([]string{"ped connect -ip 127.0.0.1 -port", strconv.Itoa(port)}, flags...), " ")
}

// Perform runs a play on the lab's console.
func (l *Lab) Perform(p Play) (Ended, error) {
	l.T.Helper()
	return Perform(l.Console(), l.PED, p)
}

// Must runs a command to its good end, answered by people; anything else fails
// the test.
func (l *Lab) Must(command string, who People) Ended {
	l.T.Helper()
	e, err := l.Perform(Play{Command: command, People: who})
	if err != nil || !e.OK() {
		l.T.Fatalf("%s: %v\n%s", command, err, e)
	}
	return e
}

// Poll waits until ok returns nil, at most limit (0: 15 s), else fails the test
// with its last error.
func (l *Lab) Poll(limit time.Duration, what string, ok func() error) {
	l.T.Helper()
	if err := Poll(limit, what, ok); err != nil {
		l.T.Fatal(err)
	}
}

// Poll waits until ok returns nil, at most limit (0: 15 s).
func Poll(limit time.Duration, what string, ok func() error) error {
	if limit == 0 {
		limit = pollLimit
	}
	deadline := time.Now().Add(limit)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := ok()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %v: %w", what, limit, err)
		}
		time.Sleep(pause)
	}
}

// Save stops the daemons and copies what lasts into a new folder that Options.From
// takes: HSMs with their settings, PED keys, the PED's state, the origin root.
func (l *Lab) Save() string {
	l.T.Helper()
	procs := l.Processes()
	slices.Reverse(procs)
	for _, p := range procs {
		p.Stop()
	}
	dir := l.T.TempDir()
	for _, pattern := range []string{"hsm?*", "keys", "ped.state", "origin"} {
		found, err := filepath.Glob(l.Path(pattern))
		if err != nil {
			l.T.Fatal(err)
		}
		for _, from := range found {
			to := filepath.Join(dir, filepath.Base(from))
			switch fi, err := os.Lstat(from); {
			case err != nil:
				l.T.Fatal(err)
			case fi.IsDir():
				err = os.CopyFS(to, os.DirFS(from))
				if err != nil {
					l.T.Fatal(err)
				}
			case fi.Mode().IsRegular():
				b, err := os.ReadFile(from)
				if err == nil {
					err = os.WriteFile(to, b, fi.Mode().Perm())
				}
				if err != nil {
					l.T.Fatal(err)
				}
			}
		}
	}
	return dir
}

// close ends everything; a failed test has the ends of all logs printed.
func (l *Lab) close() {
	failed := l.T.Failed()
	if failed {
		l.T.Log(l.Logs(25))
	}
	keep := failed && os.Getenv(KeepEnv) != ""
	if keep {
		l.T.Logf("kept: %s", l.Dir)
	}
	if err := l.Stage.Close(keep); err != nil {
		l.T.Log(err)
	}
}

// Logs is the end of every log of the lab, n lines each.
func (l *Lab) Logs(n int) string {
	var out strings.Builder
	for _, pattern := range []string{"*.log", "*.err"} {
		files, _ := filepath.Glob(l.Path(pattern))
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && len(b) > 0 {
				fmt.Fprintf(&out, "--- %s\n%s\n", filepath.Base(f), tail(string(b), n))
			}
		}
	}
	if p := l.PED(); p != nil {
		out.WriteString("--- screens:")
		for _, s := range p.Since(0) {
			out.WriteString(" " + s.ID)
		}
	}
	return out.String()
}
