package pedserver

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"openped/protocol"
)

// TestCollector: the metrics tell what has happened, and pass the checks of who
// reads them.
func TestCollector(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		h.send(protocol.PEDFrame{Bytes: make([]byte, 100)})
		w.plug.now().frame(make([]byte, 30))
		want[protocol.PEDFrame](h)
		busy := func(b bool) {
			_ = w.plug.now().gadget.SendEvent(w.t.Context(), protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote, Busy: b})
			want[protocol.PEDEvent](h)
		}
		busy(true)
		time.Sleep(10 * time.Second)
		busy(true) // still the same dialogue
		time.Sleep(10 * time.Second)
		busy(false)
		busy(false)
		other := w.dial("10.0.0.2")
		other.acquire("H2")
		want[protocol.Busy](other)
		h.c.Close()
		time.Sleep(time.Second)
		h = w.acquire("10.0.0.3", false)
		h.c.Close()
		time.Sleep(time.Second)

		c := w.srv.Collector()
		err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP pedserver_bytes_total Bytes in those frames.
# TYPE pedserver_bytes_total counter
pedserver_bytes_total{direction="from_ped"} 30
pedserver_bytes_total{direction="to_ped"} 100
# HELP pedserver_connections_total Connections of HSM hosts that came in.
# TYPE pedserver_connections_total counter
pedserver_connections_total 3
# HELP pedserver_dialogue_seconds How long dialogues at the PED took.
# TYPE pedserver_dialogue_seconds histogram
pedserver_dialogue_seconds_bucket{le="1"} 0
pedserver_dialogue_seconds_bucket{le="5"} 0
pedserver_dialogue_seconds_bucket{le="10"} 0
pedserver_dialogue_seconds_bucket{le="30"} 1
pedserver_dialogue_seconds_bucket{le="60"} 1
pedserver_dialogue_seconds_bucket{le="120"} 1
pedserver_dialogue_seconds_bucket{le="300"} 1
pedserver_dialogue_seconds_bucket{le="600"} 1
pedserver_dialogue_seconds_bucket{le="1800"} 1
pedserver_dialogue_seconds_bucket{le="+Inf"} 1
pedserver_dialogue_seconds_sum 20
pedserver_dialogue_seconds_count 1
# HELP pedserver_frames_total Frames of the channel that were relayed.
# TYPE pedserver_frames_total counter
pedserver_frames_total{direction="from_ped"} 1
pedserver_frames_total{direction="to_ped"} 1
# HELP pedserver_handshakes_failed_total Times that an HSM host got the PED and its HSM never proved itself.
# TYPE pedserver_handshakes_failed_total counter
pedserver_handshakes_failed_total 1
# HELP pedserver_holds_total Times that an HSM host got the PED.
# TYPE pedserver_holds_total counter
pedserver_holds_total 2
# HELP pedserver_ped_connected 1 while there is a PED.
# TYPE pedserver_ped_connected gauge
pedserver_ped_connected 1
# HELP pedserver_ped_taken 1 while an HSM host has the PED.
# TYPE pedserver_ped_taken gauge
pedserver_ped_taken 0
`), "pedserver_bytes_total", "pedserver_connections_total", "pedserver_dialogue_seconds", "pedserver_frames_total",
			"pedserver_handshakes_failed_total", "pedserver_holds_total", "pedserver_ped_connected", "pedserver_ped_taken")
		if err != nil {
			t.Error(err)
		}
		problems, err := testutil.CollectAndLint(c)
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
		if err != nil {
			t.Error(err)
		}
		// Every reason is there from the start.
		if n := testutil.CollectAndCount(c, "pedserver_refusals_total"); n != 16 {
			t.Errorf("%d reasons", n)
		}
		if err := prometheus.NewPedanticRegistry().Register(c); err != nil {
			t.Error(err)
		}
	})
}

// TestStatusJSON holds the names of the status: others read them.
func TestStatusJSON(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		h := w.connect(abox)
		w.take(h, "H1")
		b, err := json.Marshal(w.srv.Status())
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]any{
			"mode": "peer-to-peer", "tls.calls": "off", "tls.identity": "desk", "tls.peers": 2.0,
			"client.name": "abox", "client.called": true, "client.hsm": "H1", "client.proven": true, "client.address": "10.0.0.9:9697",
			"links.0.name": "abox", "links.0.state": "serving", "links.0.address": "abox.example:9697", "links.0.tries": 0.0, "links.0.since": 0.0,
			"links.1.state": "disconnected", "ped.connected": true, "ped.serial": "P1", "idleTimeout": 1800.0, "counters.holds": 1.0,
			"counters.refused.busy": 0.0, "counters.dialogues.count": 0.0, "adminPort": 1502.0,
		} {
			if v := lookup(got, path); v != want {
				t.Errorf("%s is %v, want %v", path, v, want)
			}
		}
	})
}

func lookup(v any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			if i := int(key[0] - '0'); i < len(x) {
				v = x[i]
			}
		}
	}
	return v
}
