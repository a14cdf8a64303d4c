package guest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"openped/pedserver"
	"openped/test/lab"
)

// Plugged in and pulled 50 times, on each kind of cable: neither side keeps a
// descriptor, a goroutine or memory of the times before, and the credentials are
// what they were.
func TestFullFiftyTimesPluggedIn(t *testing.T) {
	const warm, times = 10, 50
	t.Setenv("GOGC", "10") // memory that nobody uses is to go at once
	for _, c := range []cable{vhciCable{}, newUSBIPCable(t), gadget} {
		t.Run(c.flags()[0], func(t *testing.T) {
			l := begin(t, c, lab.Options{})
			ready(t, l)
			number := serial(t, l)
			cycle := func() {
				pull(t, number)
				desk(t, l, "the PED gone", func(s pedserver.Status) bool { return !s.PED.Connected })
				must(t, c.plug(l.PED()))
				ready(t, l)
			}
			for range warm {
				cycle()
			}
			before := [...]usage{use(t, l.Server(), l.Path("pedserver.sock")), use(t, l.PED().Process, "")}
			for range times {
				cycle()
			}
			for i, p := range []*lab.Process{l.Server(), l.PED().Process} {
				socket := ""
				if i == 0 {
					socket = l.Path("pedserver.sock")
				}
				var now usage
				err := lab.Poll(0, p.Name+" as it was", func() error { // what a cycle leaves behind may take its time
					if now = use(t, p, socket); now.files > before[i].files+1 || now.goroutines > before[i].goroutines+2 || now.kb > before[i].kb+4096 {
						return fmt.Errorf("it uses %v, before %v", now, before[i])
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				t.Logf("%s: before %v, after %d times %v", p.Name, before[i], times, now)
			}
			connect(t, l)
			unharmed(t, l)
			logInAndOut(t, l)
		})
	}
}

// usage is what a process holds.
type usage struct{ files, goroutines, threads, kb int }

func (u usage) String() string {
	return fmt.Sprintf("%d descriptors, %d goroutines, %d threads, %d KB", u.files, u.goroutines, u.threads, u.kb)
}

// use tells what a process holds; socket is where it gives metrics, if it does.
func use(t testing.TB, p *lab.Process, socket string) usage {
	t.Helper()
	proc := "/proc/" + strconv.Itoa(p.PID())
	files, err := os.ReadDir(proc + "/fd")
	must(t, err)
	threads, err := os.ReadDir(proc + "/task")
	must(t, err)
	now, _, err := p.Memory()
	must(t, err)
	u := usage{files: len(files), threads: len(threads), kb: now}
	if socket != "" {
		u.goroutines = metric(t, socket, "go_goroutines")
	}
	return u
}

// metric is one of a daemon's metrics.
func metric(t testing.TB, socket, name string) int {
	t.Helper()
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	r, err := c.Get("http://local/metrics")
	must(t, err)
	defer r.Body.Close()
	for s := bufio.NewScanner(r.Body); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), name+" "); ok {
			f, err := strconv.ParseFloat(v, 64)
			must(t, err)
			return int(f)
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
