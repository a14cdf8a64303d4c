package pedclient

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"openped/internal/metrics"
)

// Collector returns the metrics: the numbers of one Status.
func (c *Client) Collector() prometheus.Collector {
	return metrics.Collector("pedclient", func(e *metrics.Emit) { c.Status().emit(e) })
}

func (st Status) emit(e *metrics.Emit) {
	connected, running := 0, map[string]int{}
	for _, s := range st.Slots {
		if s.Connected {
			connected++
		}
		if s.Ceremony != "" {
			running[s.Ceremony]++
		}
		e.Bool("slot_connected", "Whether the slot has a PED.", s.Connected, "slot", strconv.Itoa(s.Slot), "serial", s.Serial)
		e.Bool("slot_local", "Whether that is a local PED.", s.Local, "slot", strconv.Itoa(s.Slot), "serial", s.Serial)
	}
	free := 0
	for _, l := range st.Links {
		if l.Slot == 0 {
			free++
		}
	}
	e.Gauge("slots", "HSM slots.", float64(len(st.Slots)))
	e.Gauge("slots_connected", "Slots that have a PED.", float64(connected))
	e.Gauge("callers", "Local programs on the HSM socket.", float64(st.Callers))
	e.Gauge("links", "Links that PEDservers have made.", float64(len(st.Links)))
	e.Gauge("links_parked", "Those of them whose PED no slot has.", float64(free))
	for _, cmd := range ceremonyNames() {
		e.Gauge("ceremonies_running", "Ceremonies that are under way.", float64(running[cmd]), "command", cmd)
	}
	e.Counter("connections_total", "Connections that came in on the port for PEDservers.", st.Connections)
	e.Counters("refusals_total", "Callers on that port and on the HSM socket that were turned away, by reason.", "reason", st.Refused)
	e.Counters("connects_total", "Tries to connect a slot, by result.", "result", st.Connects)
	e.Counters("link_losses_total", "PEDs that were lost, by reason.", "reason", st.LinkLosses)
	e.Counters("tls_refusals_total", "Peers refused in the TLS handshake, by reason.", "reason", st.TLSRefusals)
	for _, d := range st.Ceremonies {
		within := make(map[float64]uint64, len(bounds))
		for i, b := range bounds {
			within[b] = d.within[i]
		}
		e.Histogram("ceremony_seconds", "How long ceremonies took, by command and result.", d.Count, d.Seconds, within, "command", d.Command, "result", d.Result)
	}
}
