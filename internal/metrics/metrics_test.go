package metrics

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("%d %s", w.Code, w.Header().Get("Content-Type"))
	}
	return w.Body.String()
}

func TestText(t *testing.T) {
	m := New("pedtest", "1.2.3", quiet, Collector("pedtest", func(e *Emit) {
		e.Bool("ped_connected", "Whether a PED is there.", true)
		e.Counters("refusals_total", "By reason.", "reason", map[string]uint64{"busy": 3, "full": 4}, "port", "1503")
		e.Histogram("dialogue_seconds", "Durations.", 3, 12.5, map[float64]uint64{1: 1, 10: 3}, "result", "ok")
	}), nil)
	lines := strings.Split(scrape(t, m.Handler()), "\n")
	for _, want := range []string{
		`pedtest_ped_connected 1`,
		`# TYPE pedtest_ped_connected gauge`,
		`pedtest_refusals_total{port="1503",reason="busy"} 3`,
		`pedtest_refusals_total{port="1503",reason="full"} 4`,
		`# TYPE pedtest_refusals_total counter`,
		`pedtest_dialogue_seconds_bucket{result="ok",le="1"} 1`,
		`pedtest_dialogue_seconds_bucket{result="ok",le="10"} 3`,
		`pedtest_dialogue_seconds_bucket{result="ok",le="+Inf"} 3`,
		`pedtest_dialogue_seconds_sum{result="ok"} 12.5`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s", want)
		}
	}
	for _, begin := range []string{`pedtest_build_info{goversion="go`, `pedtest_uptime_seconds `, `go_goroutines `} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, begin) }) {
			t.Errorf("no line that begins with %s", begin)
		}
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil && !strings.Contains(strings.Join(lines, "\n"), "\nprocess_resident_memory_bytes ") {
		t.Error("nothing about the process")
	}
}

// TestBadNumber: what can not be told does not hide the rest, and is logged.
func TestBadNumber(t *testing.T) {
	var log strings.Builder
	m := New("pedtest", "1", slog.New(slog.NewTextHandler(&log, nil)), Collector("pedtest", func(e *Emit) {
		e.Gauge("good", "Good.", 7)
		e.Gauge("bad name", "Bad.", 7, "label", "\xff")
	}))
	if got := scrape(t, m.Handler()); !strings.Contains(got, "pedtest_good 7\n") {
		t.Errorf("%s", got)
	}
	if !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("%q", log.String())
	}
}

// port serves metrics on a port until the test ends.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New("pedtest", "1", quiet).Serve(ctx, l, quiet) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			c.Close()
			t.Error("the port is still open")
		}
	})
	return l.Addr().String()
}

func TestPort(t *testing.T) {
	addr := port(t)
	_, number, _ := net.SplitHostPort(addr)
	for _, c := range []struct {
		method, path, host string
		code               int
	}{
		{"GET", "/metrics", addr, 200},
		{"GET", "/metrics", "localhost:" + number, 200},
		{"GET", "/metrics", "LocalHost", 200},
		{"GET", "/metrics", "[::1]:" + number, 200},
		{"GET", "/metrics", "[::1]", 200},
		{"GET", "/metrics", "attacker.example:" + number, 403},
		{"GET", "/metrics", "10.0.0.1", 403},
		{"POST", "/metrics", addr, 405},
		{"GET", "/v1/show", addr, 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+addr+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.code || (c.code == 200) != strings.Contains(string(body), "pedtest_build_info") {
			t.Errorf("%+v: %d", c, resp.StatusCode)
		}
	}
}

// TestSilence: who connects and says nothing does not keep others from asking.
func TestSilence(t *testing.T) {
	addr := port(t)
	for range 3 * places {
		if c, err := net.Dial("tcp", addr); err == nil { // else there was no place
			defer c.Close()
		}
	}
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var resp *http.Response
		if resp, err = http.Get(fmt.Sprintf("http://%s/metrics", addr)); err == nil {
			resp.Body.Close()
			return
		}
	}
	t.Error(err)
}
