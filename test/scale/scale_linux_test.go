package scale

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"openped/hsm/hsmtest"
	"openped/pedserver"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

var slotCounts = flag.String("slots", "1,10", "how many slots, run after run, the fewest first")

// commandLimit bounds connecting and logging in; all slots do it at once.
const commandLimit = 80 * time.Second

// ofSlot is a slot's HSM, closed, with the keys of its people.
type ofSlot struct {
	file string
	keys *hsmtest.Keyring
}

// TestScale logs all slots of one pedclient in at once, each over a connection, a
// PEDserver and a PED of its own, and prints what a session costs pedclient. Any
// login that fails, and memory that grows clearly faster than the number of
// sessions, is a failure; how fast the processors are is not judged.
func TestScale(t *testing.T) {
	var counts []int
	for _, word := range strings.Split(*slotCounts, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			t.Fatalf("-slots %s", *slotCounts)
		}
		counts = append(counts, n)
	}
	slots := prepare(t, slices.Max(counts))
	perSession := map[int]float64{}
	for _, n := range counts {
		c := measure(t, slots[:n])
		fmt.Printf("sessions %3d: cpu_ms_per_session %.1f kb_per_session %.0f (ready after %.1f s with %.0f KB; all logged in after %.1f s)\n",
			n, c.cpu.Seconds()*1e3/float64(c.sessions), c.kb/float64(n), c.ready.Seconds(), c.startKB, c.took.Seconds())
		perSession[n] = c.kb / float64(n)
	}
	// The first sessions pay for what all share, the garbage collector's slack
	// among it; linear means that many pay no more each than few.
	few, many := perSession[10], perSession[200]
	if few > 0 && many > 2*few+64 {
		t.Errorf("%.0f KB for each of 200 sessions, %.0f for each of 10", many, few)
	}
}

// prepare makes the HSMs, on all processors.
func prepare(t *testing.T, n int) []ofSlot {
	t.Helper()
	slots := make([]ofSlot, n)
	todo := make(chan int)
	var makers sync.WaitGroup
	for range 4 {
		makers.Go(func() {
			for i := range todo {
				h, keys := newHSM(t, strconv.Itoa(7000001+i))
				slots[i] = ofSlot{h.Path, keys}
			}
		})
	}
	for i := range slots {
		todo <- i
	}
	close(todo)
	makers.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return slots
}

// cost is what sessions cost pedclient.
type cost struct {
	sessions int // logins made
	cpu      time.Duration
	kb       float64 // growth of the resident memory, all sessions open
	startKB  float64 // before the first
	ready    time.Duration
	took     time.Duration
}

// measure runs one pedclient with these slots.
func measure(t *testing.T, slots []ofSlot) (c cost) {
	t.Helper()
	stage, err := lab.NewStage(lab.Bin(t), "")
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close(false)
	// All the PEDs and PEDservers share this process, which none do elsewhere: on
	// a busy machine all that they say may be late.
	const patience = 30 * time.Second
	seconds := strconv.Itoa(int(patience / time.Second))
	args := []string{"-mode", "start", "-foreground", "-logfile", stage.Path("pedclient.log"), "-pingtimeout", seconds, "-socketwritetimeout", seconds}
	hosts := make([]*host, len(slots))
	origin := hsmtest.Origin(t).Cert
	for i, s := range slots {
		file := stage.Path(filepath.Base(filepath.Dir(s.file)) + ".hsm")
		for _, suffix := range []string{"", ".audit"} {
			b, err := os.ReadFile(s.file + suffix)
			if err == nil {
				err = os.WriteFile(file+suffix, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		args = append(args, "-hsm", file)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		newStation(t, l, pedserver.Config{ProofTimeout: patience, Live: pedserver.Live{PingTimeout: patience, WriteTimeout: patience}}, origin, s.keys)
		hosts[i] = &host{slot: uint32(i + 1), port: uint32(l.Addr().(*net.TCPAddr).Port)}
	}
	begin := time.Now()
	p, err := stage.Start("pedclient", nil, "pedclient", args...)
	if err == nil {
		err = p.Until(30*time.Second, "answer", func() bool { return lab.Answers(stage.Path("hsm.sock")) })
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	c.ready = time.Since(begin)
	for _, h := range hosts {
		if err := h.call(stage.Path("hsm.sock")); err != nil {
			t.Fatal(err)
		}
		defer h.Close()
	}
	cpu := cpuTime(t, p.PID())
	c.startKB = residentKB(t, p.PID())
	begin = time.Now()
	together(t, hosts, (*host).login)
	c.took = time.Since(begin)
	c.kb = residentKB(t, p.PID()) - c.startKB
	c.sessions = len(hosts)
	// The kernel counts processor time in hundredths of a second: a few sessions
	// are too few.
	for c.sessions < 20 {
		together(t, hosts, (*host).again)
		c.sessions += len(hosts)
	}
	c.cpu = cpuTime(t, p.PID()) - cpu
	return c
}

// together does something with all slots at once.
func together(t *testing.T, hosts []*host, do func(*host) error) {
	t.Helper()
	errs := make([]error, len(hosts))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() { errs[i] = do(h) })
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("slot %d of %d: %v", i+1, len(hosts), err)
		}
	}
}

// host is a program on the HSM's host that uses one slot.
type host struct {
	net.Conn
	client     *hsmapi.Client
	slot, port uint32
}

func (h *host) call(socket string) (err error) {
	if h.Conn, err = net.Dial("unix", socket); err != nil {
		return err
	}
	h.client = hsmapi.NewClient(hsmapi.NewConn(h.Conn))
	return h.SetDeadline(time.Now().Add(commandLimit))
}

func (h *host) do(c hsmapi.Command, more ...hsmapi.Field) error {
	_, err := h.client.Do(c, append(hsmapi.Fields{}.AddU32(hsmapi.TagSlot, h.slot), more...), hsmapi.Handler{})
	if e := (*hsmapi.Error)(nil); errors.As(err, &e) {
		return fmt.Errorf("%v: %w: %v; %s", c, err, e.Code, e.Hint)
	}
	return err
}

func (h *host) login() error {
	if err := h.do(hsmapi.PedConnect, hsmapi.Fields{}.AddText(hsmapi.TagHost, "127.0.0.1").AddU32(hsmapi.TagPort, h.port)...); err != nil {
		return err
	}
	return h.do(hsmapi.Login, hsmapi.Fields{}.AddU8(hsmapi.TagRole, uint8(protocol.RoleSO))...)
}

// again is a login on a new connection to the PED.
func (h *host) again() error {
	if err := errors.Join(h.do(hsmapi.Logout), h.do(hsmapi.PedDisconnect)); err != nil {
		return err
	}
	return h.login()
}

// residentKB is the resident memory of a process.
func residentKB(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseFloat(f[1], 64)
			if err == nil {
				return kb
			}
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// cpuTime is the processor time that a process has used, in hundredths of a
// second: what USER_HZ is on Linux, everywhere.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), ") ") // behind the name: state is field 3
	f := strings.Fields(after)
	var ticks int64
	for _, i := range []int{14 - 3, 15 - 3} { // user, system
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
