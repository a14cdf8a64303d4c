package pedserver

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is one metric, read from a Status.
type metric struct {
	*prometheus.Desc
	read func(st *Status, emit func(value float64, labels ...string))
	kind prometheus.ValueType
}

func newMetric(name, help string, kind prometheus.ValueType, read func(*Status, func(float64, ...string)), labels ...string) metric {
	return metric{prometheus.NewDesc("pedserver_"+name, help, labels, nil), read, kind}
}

// one is a metric without labels.
func one(name, help string, kind prometheus.ValueType, value func(*Status) float64) metric {
	return newMetric(name, help, kind, func(st *Status, emit func(float64, ...string)) { emit(value(st)) })
}

// byReason is a metric with a reason for label.
func byReason(name, help string, counts func(*Status) map[string]uint64) metric {
	return newMetric(name, help, prometheus.CounterValue, func(st *Status, emit func(float64, ...string)) {
		for _, why := range slices.Sorted(maps.Keys(counts(st))) {
			emit(float64(counts(st)[why]), why)
		}
	}, "reason")
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

var metrics = []metric{
	one("uptime_seconds", "Time since the start.", prometheus.GaugeValue, func(st *Status) float64 { return float64(st.UpTime) }),
	one("ped_connected", "1 while there is a PED.", prometheus.GaugeValue, func(st *Status) float64 { return truth(st.PED.Connected) }),
	one("ped_busy", "1 while a dialogue runs at the PED.", prometheus.GaugeValue, func(st *Status) float64 { return truth(st.PED.Busy) }),
	one("ped_taken", "1 while an HSM host has the PED.", prometheus.GaugeValue, func(st *Status) float64 { return truth(st.Client != nil) }),
	one("connections_total", "Connections of HSM hosts that came in.", prometheus.CounterValue, func(st *Status) float64 { return float64(st.Counters.Connections) }),
	one("probes_total", "Questions about the PED that were answered.", prometheus.CounterValue, func(st *Status) float64 { return float64(st.Counters.Probes) }),
	byReason("refusals_total", "Callers that did not get what they called for.", func(st *Status) map[string]uint64 { return st.Counters.Refused }),
	byReason("tls_refusals_total", "Callers refused by TLS or their certificate.", func(st *Status) map[string]uint64 { return st.Counters.TLSRefused }),
	one("holds_total", "Times that an HSM host got the PED.", prometheus.CounterValue, func(st *Status) float64 { return float64(st.Counters.Holds) }),
	one("handshakes_failed_total", "Times that an HSM host got the PED and its HSM never proved itself.", prometheus.CounterValue, func(st *Status) float64 { return float64(st.Counters.Unproven) }),
	newMetric("frames_total", "Frames of the channel that were relayed.", prometheus.CounterValue, func(st *Status, emit func(float64, ...string)) {
		emit(float64(st.Counters.FramesToPED), "to_ped")
		emit(float64(st.Counters.FramesFromPED), "from_ped")
	}, "direction"),
	newMetric("bytes_total", "Bytes in those frames.", prometheus.CounterValue, func(st *Status, emit func(float64, ...string)) {
		emit(float64(st.Counters.BytesToPED), "to_ped")
		emit(float64(st.Counters.BytesFromPED), "from_ped")
	}, "direction"),
	newMetric("link_up", "1 while the link to an appliance stands.", prometheus.GaugeValue, func(st *Status, emit func(float64, ...string)) {
		for _, l := range st.Links {
			emit(truth(l.State == LinkParked || l.State == LinkServing), l.Name)
		}
	}, "appliance"),
	newMetric("link_failed_tries", "Failed tries in a row to make the link to an appliance.", prometheus.GaugeValue, func(st *Status, emit func(float64, ...string)) {
		for _, l := range st.Links {
			emit(float64(l.Tries), l.Name)
		}
	}, "appliance"),
}

var dialogueSeconds = prometheus.NewDesc("pedserver_dialogue_seconds", "How long dialogues at the PED took.", nil, nil)

// collector reads the metrics from the same snapshot as show.
type collector struct{ s *Server }

// Collector returns what GET /metrics tells of s.
func (s *Server) Collector() prometheus.Collector { return collector{s} }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metrics {
		ch <- m.Desc
	}
	ch <- dialogueSeconds
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	st := c.s.Status()
	for _, m := range metrics {
		m.read(&st, func(value float64, labels ...string) { ch <- prometheus.MustNewConstMetric(m.Desc, m.kind, value, labels...) })
	}
	buckets := make(map[float64]uint64)
	for _, b := range st.Counters.Dialogues.Buckets {
		buckets[b.Limit] = b.Count
	}
	ch <- prometheus.MustNewConstHistogram(dialogueSeconds, st.Counters.Dialogues.Count, st.Counters.Dialogues.Sum, buckets)
}
