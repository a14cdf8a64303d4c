package flood

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// What the makefile sets: how long the ceremony is flooded, and the file for what
// is printed.
const (
	timeEnv    = "OPENPED_FLOODTIME"
	summaryEnv = "OPENPED_FLOOD"
)

const (
	perSecond = 200
	mostKB    = 64 << 10 // of real memory, at the fullest
)

// asked leaves out what nobody asked for, and returns how long to flood.
func asked(t *testing.T) time.Duration {
	t.Helper()
	if os.Getenv(summaryEnv) == "" {
		t.Skip("run  make flood")
	}
	d, err := time.ParseDuration(os.Getenv(timeEnv))
	if err != nil {
		t.Fatalf("%s: %v", timeEnv, err)
	}
	return d
}

// tell adds a line to the summary.
func tell(t *testing.T, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	t.Log(line)
	f, err := os.OpenFile(os.Getenv(summaryEnv), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, line); err != nil {
		t.Fatal(err)
	}
}

// fromMany has stranger n call a port from one of 2000 addresses of this host.
func fromMany(port int) func(int) (net.Conn, error) {
	return func(n int) (net.Conn, error) {
		from := net.IPv4(127, 1, byte(n/250%8), byte(1+n%250))
		d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: from}}
		return d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	}
}

func toSocket(path string) func(int) (net.Conn, error) {
	return func(int) (net.Conn, error) { return net.DialTimeout("unix", path, 5*time.Second) }
}

// crowd are floods that go on at the same time.
type crowd map[string]*lab.Strangers

// end ends them, wants that they were as many as they should be, and tells.
func (c crowd) end(t *testing.T, begun time.Time) {
	t.Helper()
	lasted := time.Since(begun)
	for to, s := range c {
		s.End()
		called, refused, most := s.Called()
		if least := int(lasted.Seconds() * perSecond * 3 / 4); called < least {
			t.Errorf("control: only %d strangers called %s in %v", called, to, lasted)
		}
		tell(t, "%s: %d strangers in %.0f s, %d not connected, at most %d at a time", to, called, lasted.Seconds(), refused, most)
	}
}

// small wants a process to have stayed small.
func small(t *testing.T, p *lab.Process) {
	t.Helper()
	now, peak, err := p.Memory()
	if err != nil {
		t.Fatal(err)
	}
	if peak > mostKB {
		t.Errorf("%s took %d KB of memory; %d are allowed", p.Name, peak, mostKB)
	}
	tell(t, "%s_flooded_rss_mb %.1f (now %.1f)", p.Name, float64(peak)/1024, float64(now)/1024)
}

// ceremonies connects, logs in, logs out and disconnects over and over for so
// long, and returns how often.
func ceremonies(l *lab.Lab, d time.Duration, commands ...string) (n int, slowest time.Duration) {
	l.T.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		begun := time.Now()
		for _, c := range commands {
			l.Must(c, lab.Everybody())
		}
		slowest = max(slowest, time.Since(begun))
	}
	return n, slowest
}

// TestCeremonyInAFlood: the port and the admin socket of pedserver are flooded;
// every command of a ceremony succeeds, and the administrator gets an answer.
func TestCeremonyInAFlood(t *testing.T) {
	d := asked(t)
	l := lab.Start(t, lab.Options{From: lab.Prepared(t, 1)})
	l.Must(l.Connect(), lab.People{}) // the HSM is known here
	l.Must("ped disconnect", lab.People{})

	begun := time.Now()
	c := crowd{
		"pedserver's port":         lab.Flood(perSecond, fromMany(l.Port)),
		"pedserver's admin socket": lab.Flood(perSecond, toSocket(l.Path("pedserver.sock"))),
	}
	time.Sleep(2 * time.Second) // until it is full
	n, slowest := ceremonies(l, d-2*time.Second, l.Connect(), "role login -name so", "role logout", "ped disconnect")
	out, err := l.Run("pedserver", "-mode", "show")
	if err != nil || !strings.Contains(out, "Show command passed.") {
		t.Errorf("show in a flood: %v\n%s", err, out)
	}
	small(t, l.Server())
	c.end(t, begun)
	tell(t, "ceremonies_in_a_flood %d, the slowest took %v", n, slowest.Round(time.Millisecond))
	if n < 3 {
		t.Errorf("only %d ceremonies in %v", n, d)
	}
	begun = time.Now()
	if out, err := l.Run("pedserver", "-mode", "stop"); err != nil {
		t.Errorf("stop after a flood: %v\n%s", err, out)
	}
	tell(t, "stop after the flood took %v", time.Since(begun).Round(time.Millisecond))
}

// TestPEDclientInAFlood: the same for pedclient, whose port for PEDservers and
// whose local sockets are flooded. PEDserver makes its link anew each time.
func TestPEDclientInAFlood(t *testing.T) {
	d := asked(t) / 2
	l := lab.Start(t, lab.Options{From: lab.Prepared(t, 1), Peer: true})
	link := func(mode string) {
		t.Helper()
		if out, err := l.Run("pedserver", "-mode", mode, "-name", lab.Rack); err != nil {
			t.Fatalf("%s in a flood: %v\n%s", mode, err, out)
		}
	}
	link("connect")
	begun := time.Now()
	c := crowd{
		"pedclient's port":         lab.Flood(perSecond, fromMany(l.Port)),
		"pedclient's admin socket": lab.Flood(perSecond, toSocket(l.Path("pedclient.sock"))),
		"pedclient's HSM socket":   lab.Flood(perSecond, toSocket(l.Path("hsm.sock"))),
	}
	time.Sleep(2 * time.Second)
	n := 0
	for ; time.Since(begun) < d; n++ {
		for _, command := range []string{l.Connect(), "role login -name so", "role logout", "ped disconnect"} {
			l.Must(command, lab.Everybody())
		}
		link("disconnect")
		link("connect")
	}
	for program, args := range map[string][]string{"pedclient": {"-mode", "show"}, "hsmcm": {"ped", "show"}} {
		if out, err := l.Run(program, args...); err != nil {
			t.Errorf("%s in a flood: %v\n%s", program, err, out)
		}
	}
	small(t, l.Client())
	c.end(t, begun)
	tell(t, "links_and_ceremonies_in_a_flood_of_pedclient %d", n)
	if n < 2 {
		t.Errorf("only %d links and ceremonies in %v", n, d)
	}
}

// Sizes of the measurement.
const (
	frameSize = 336 // a record of the channel with the usual small message in it
	quietTime = 4 * time.Second
	pause     = 2 * time.Millisecond // between two frames: people are slower
	wanted    = 3.0                  // times the quiet p99
)

// TestFrameLatencyInAFlood prints how long a frame and its echo take through
// pedserver, quiet and flooded. Nothing is asserted of the times: this machine
// has other work.
func TestFrameLatencyInAFlood(t *testing.T) {
	d := asked(t) / 3
	s, err := lab.NewStage(lab.Bin(t), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Failed() && os.Getenv(lab.KeepEnv) != "") })
	ped, err := lab.PlugEcho(s.Path("echo.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer ped.Close()
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	server, err := s.Start("pedserver", nil, "pedserver", "-mode", "start", "-foreground", "-ip", "127.0.0.1", "-port", fmt.Sprint(port),
		"-peddevice", "unix:"+ped.Path, "-logfile", filepath.Join(s.Dir, "pedserver.log"))
	if err != nil {
		t.Fatal(err)
	}
	var line *lab.EchoLine
	if err := lab.Poll(0, "the PED", func() (err error) { line, err = lab.DialEcho(addr); return err }); err != nil {
		t.Fatal(err, server.LastWords())
	}
	defer line.Close()
	quiet := echoes(t, line, quietTime)
	begun := time.Now()
	c := crowd{
		"pedserver's port":         lab.Flood(perSecond, fromMany(port)),
		"pedserver's admin socket": lab.Flood(perSecond, toSocket(s.Path("pedserver.sock"))),
	}
	flooded := echoes(t, line, d)
	c.end(t, begun)
	small(t, server)
	for _, m := range []struct {
		name  string
		times []time.Duration
	}{{"quiet", quiet}, {"flooded", flooded}} {
		tell(t, "frame_echo_%s_us p50 %.0f, p99 %.0f (%d frames)", m.name, micros(m.times, 50), micros(m.times, 99), len(m.times))
	}
	times := micros(flooded, 99) / micros(quiet, 99)
	remark := "as wanted"
	if times > wanted {
		remark = "more than wanted"
	}
	tell(t, "frame_echo_p99_ratio %.1f (wanted: at most %.0f): %s", times, wanted, remark)
}

// echoes sends frames for so long and returns what each took, sorted.
func echoes(t *testing.T, line *lab.EchoLine, d time.Duration) (took []time.Duration) {
	t.Helper()
	frame := make([]byte, frameSize)
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(pause) {
		begun := time.Now()
		if err := line.Echo(frame); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took
}

// micros is a percentile of sorted times.
func micros(sorted []time.Duration, percent int) float64 {
	return float64(sorted[(len(sorted)-1)*percent/100]) / 1000
}
