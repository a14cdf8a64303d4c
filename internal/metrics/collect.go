package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Collector returns a collector of what collect emits at each scrape, best from
// one snapshot, so that the numbers fit each other. Names get the program's name
// in front.
func Collector(program string, collect func(*Emit)) prometheus.Collector {
	return snapshot{program, collect}
}

type snapshot struct {
	program string
	collect func(*Emit)
}

// Describe tells nothing beforehand: which labels there are shows at the scrape.
func (snapshot) Describe(chan<- *prometheus.Desc) {}

func (s snapshot) Collect(ch chan<- prometheus.Metric) {
	s.collect(&Emit{program: s.program, ch: ch})
}

// Emit takes the numbers of one scrape. Labels are pairs of name and value.
type Emit struct {
	program string
	ch      chan<- prometheus.Metric
}

// Gauge is a value that goes up and down.
func (e *Emit) Gauge(name, help string, value float64, labels ...string) {
	e.value(prometheus.GaugeValue, name, help, value, labels)
}

// Bool is a gauge of 0 or 1.
func (e *Emit) Bool(name, help string, value bool, labels ...string) {
	v := 0.0
	if value {
		v = 1
	}
	e.Gauge(name, help, v, labels...)
}

// Counter is a number that only grows while the daemon runs; its name ends in
// _total.
func (e *Emit) Counter(name, help string, value uint64, labels ...string) {
	e.value(prometheus.CounterValue, name, help, float64(value), labels)
}

// Counters is a counter for each key of a map, such as each reason; label says
// what the keys are.
func (e *Emit) Counters(name, help, label string, values map[string]uint64, labels ...string) {
	for key, v := range values {
		e.Counter(name, help, v, append(slices.Clip(labels), label, key)...)
	}
}

// Histogram is how many of count measurements, which make sum together, were no
// greater than each key of within.
func (e *Emit) Histogram(name, help string, count uint64, sum float64, within map[float64]uint64, labels ...string) {
	names, values := pairs(labels)
	m, err := prometheus.NewConstHistogram(e.desc(name, help, names), count, sum, within, values...)
	e.send(e.desc(name, help, names), m, err)
}

func (e *Emit) value(kind prometheus.ValueType, name, help string, v float64, labels []string) {
	names, values := pairs(labels)
	d := e.desc(name, help, names)
	m, err := prometheus.NewConstMetric(d, kind, v, values...)
	e.send(d, m, err)
}

// send passes a bad metric on as an error, which the scrape reports.
func (e *Emit) send(d *prometheus.Desc, m prometheus.Metric, err error) {
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	e.ch <- m
}

func (e *Emit) desc(name, help string, labels []string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(e.program, "", name), help, labels, nil)
}

func pairs(labels []string) (names, values []string) {
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	return names, values
}
