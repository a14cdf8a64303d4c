package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

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

	Cable  []string         // flags that give softped another cable than a socket
	Device string           // what pedserver opens (-peddevice); "" is the PED's socket
	HSM    int              // pedclient runs this one only, as its slot 1; 0 is all
	Places map[string]Place // by program: where or as whom it is started
	Clock  bool             // the programs have a clock that SetClock sets
	IP     string           // what pedserver listens on; "" is 127.0.0.1, Any all addresses
	At     string           // where pedclient finds it; "" is 127.0.0.1
	Port   int              // pedserver's; 0 is a free one of this host's
	Folder string           // where the lab's folder is made; "" is the system's temporary one
	Peer   bool             // PEDserver makes the link: both are registered with each other, see Link
	PEDs   string           // a folder for what the PED keeps, its keys too; "" is the lab's
}

// Any is an Options.IP: no -ip at all.
const Any = "any"

// Lab is a whole system for one test.
type Lab struct {
	*Stage
	T     testing.TB
	Relay *Relay // nil without one
	Port  int    // pedserver's own; with Options.Peer LinkPort
	// LinkPort is pedclient's for PEDservers, which it opens if it has an identity.
	LinkPort int

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
	bin := Bin
	if o.Clock {
		bin = ClockedBin
	}
	s, err := NewStage(bin(t), o.Folder)
	if err != nil {
		t.Fatal(err)
	}
	s.Places, s.clock = o.Places, o.Clock
	if o.IP == "" {
		o.IP = "127.0.0.1"
	}
	if o.At == "" {
		o.At = "127.0.0.1"
	}
	l := &Lab{Stage: s, T: t, opts: o}
	t.Cleanup(l.close)
	if o.Peer {
		// After the state of the lab is there.
		defer func() {
			if !t.Failed() {
				l.introduce()
			}
		}()
	}
	if l.Port = o.Port; l.Port == 0 {
		if l.Port, err = FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	if l.LinkPort = l.Port; !o.Peer {
		if l.LinkPort, err = FreePort(); err != nil {
			t.Fatal(err)
		}
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
		l.movePED()
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
func (l *Lab) Keys() string { return l.pedPath("keys") }

func (l *Lab) pedPath(name string) string {
	if l.opts.PEDs != "" {
		return filepath.Join(l.opts.PEDs, name)
	}
	return l.Path(name)
}

// movePED moves what the PED keeps to where it is to be.
func (l *Lab) movePED() {
	l.T.Helper()
	for _, name := range []string{"keys", "ped.state"} {
		from, to := l.Path(name), l.pedPath(name)
		if from == to {
			continue
		}
		err := copyOver(to, from)
		if err == nil {
			err = os.RemoveAll(from)
		}
		if err != nil {
			l.T.Fatal(err)
		}
	}
}

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
// is one, by PEDserver's name if it made the link.
func (l *Lab) Connect(flags ...string) string {
	if l.opts.Peer {
		return strings.Join(append([]string{"ped connect -pedserver", Desk}, flags...), " ")
	}
	port := l.Port
	if l.Relay != nil {
		port = l.Relay.Port()
	}
	return strings.Join(append([]string{"ped connect -ip", l.opts.At, "-port", strconv.Itoa(port)}, flags...), " ")
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
