package pedserver

import (
	"github.com/prometheus/client_golang/prometheus"

	"openped/internal/metrics"
	"openped/usbped"
)

// Collector returns the numbers of s, from the same snapshot as show.
func (s *Server) Collector() prometheus.Collector {
	return metrics.Collector("pedserver", func(e *metrics.Emit) {
		st := s.Status()
		st.emit(e)
	})
}

func (st *Status) emit(e *metrics.Emit) {
	c := &st.Counters
	e.Bool("ped_connected", "1 while there is a PED.", st.PED.Connected)
	for _, s := range usbped.States() {
		e.Bool("ped_state", "1 for the state that the PED is in.", st.PED.State == s.String(), "state", s.String())
	}
	e.Counter("ped_losses_total", "Times that the PED went away.", c.PEDLosses)
	e.Counter("ped_resets_total", "Resets of the port of a PED that did not answer.", c.PEDResets)
	e.Gauge("ped_calls_hanging", "Calls to the PED that do not return.", float64(st.PED.Hanging))
	e.Bool("ped_busy", "1 while a dialogue runs at the PED.", st.PED.Busy)
	e.Bool("ped_taken", "1 while an HSM host has the PED.", st.Client != nil)
	e.Counter("connections_total", "Connections of HSM hosts that came in.", c.Connections)
	e.Counter("probes_total", "Questions about the PED that were answered.", c.Probes)
	e.Counters("refusals_total", "Callers that did not get what they called for.", "reason", c.Refused)
	e.Counters("tls_refusals_total", "Callers refused by TLS or their certificate.", "reason", c.TLSRefused)
	e.Counter("holds_total", "Times that an HSM host got the PED.", c.Holds)
	e.Counter("handshakes_failed_total", "Times that an HSM host got the PED and its HSM never proved itself.", c.Unproven)
	e.Counter("frames_total", "Frames of the channel that were relayed.", c.FramesToPED, "direction", "to_ped")
	e.Counter("frames_total", "Frames of the channel that were relayed.", c.FramesFromPED, "direction", "from_ped")
	e.Counter("bytes_total", "Bytes in those frames.", c.BytesToPED, "direction", "to_ped")
	e.Counter("bytes_total", "Bytes in those frames.", c.BytesFromPED, "direction", "from_ped")
	for _, l := range st.Links {
		e.Bool("link_up", "1 while the link to an appliance stands.", l.State == LinkParked || l.State == LinkServing, "appliance", l.Name)
		e.Gauge("link_failed_tries", "Failed tries in a row to make the link to an appliance.", float64(l.Tries), "appliance", l.Name)
	}
	within := make(map[float64]uint64)
	for _, b := range c.Dialogues.Buckets {
		within[b.Limit] = b.Count
	}
	e.Histogram("dialogue_seconds", "How long dialogues at the PED took.", c.Dialogues.Count, c.Dialogues.Sum, within)
}
