package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	scrapeTime = 3 * time.Second
	scrapes    = 4 // at a time
)

// Metrics are the numbers of one daemon.
type Metrics struct{ handler http.Handler }

// New returns the metrics of a program, which are named after it, and those of
// its service.
func New(program, version string, log *slog.Logger, service ...prometheus.Collector) *Metrics {
	r := prometheus.NewRegistry()
	started := time.Now()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		Collector(program, func(e *Emit) {
			e.Gauge("build_info", "What runs; always 1.", 1, "version", version, "goversion", runtime.Version())
			e.Gauge("uptime_seconds", "Time since the start.", time.Since(started).Seconds())
		}))
	for _, c := range service {
		if c != nil {
			r.MustRegister(c)
		}
	}
	return &Metrics{promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError, // one bad number does not take the others away
		DisableCompression:  true,                     // it goes nowhere
		MaxRequestsInFlight: scrapes,
		Timeout:             scrapeTime,
	})}
}

// Handler answers GET /metrics.
func (m *Metrics) Handler() http.Handler { return m.handler }
