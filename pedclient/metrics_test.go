package pedclient

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"openped/hsm/hsmtest"
	"openped/protocol/hsmapi"
)

// TestMetrics: what has happened is what is counted.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil)
		defer w.end()
		u := w.user()
		defer u.leave()
		w.ready(u, 1)
		u.fails(hsmapi.PedConnect, slotN(2).AddText(hsmapi.TagHost, "nowhere").AddBool(hsmapi.TagWantPassword, true), hsmapi.CKR_PED_UNPLUGGED, "not known")
		w.peds[0].Insert(hsmtest.Blue[0])
		time.AfterFunc(20*time.Second, func() { w.peds[0].Insert(hsmtest.Blue[1]) })
		u.must(hsmapi.Login, so())
		w.srvs[0].freeze()
		time.Sleep(5 * time.Second)
		err := testutil.CollectAndCompare(w.c.Collector(), strings.NewReader(`
# HELP pedclient_ceremonies_running Ceremonies that are under way.
# TYPE pedclient_ceremonies_running gauge
pedclient_ceremonies_running{command="hsm init"} 0
pedclient_ceremonies_running{command="ped connect"} 0
pedclient_ceremonies_running{command="ped vector init"} 0
pedclient_ceremonies_running{command="role changepw"} 0
pedclient_ceremonies_running{command="role login"} 0
# HELP pedclient_callers Local programs on the HSM socket.
# TYPE pedclient_callers gauge
pedclient_callers 1
# HELP pedclient_connects_total Tries to connect a slot, by result.
# TYPE pedclient_connects_total counter
pedclient_connects_total{result="CKR_OK"} 1
pedclient_connects_total{result="CKR_PED_UNPLUGGED"} 1
# HELP pedclient_link_losses_total PEDs that were lost, by reason.
# TYPE pedclient_link_losses_total counter
pedclient_link_losses_total{reason="broken"} 0
pedclient_link_losses_total{reason="disconnected"} 0
pedclient_link_losses_total{reason="idle"} 0
pedclient_link_losses_total{reason="other"} 0
pedclient_link_losses_total{reason="ped_lost"} 0
pedclient_link_losses_total{reason="replaced"} 0
pedclient_link_losses_total{reason="shutdown"} 0
pedclient_link_losses_total{reason="silent"} 1
pedclient_link_losses_total{reason="too_slow"} 0
pedclient_link_losses_total{reason="unregistered"} 0
# HELP pedclient_slot_connected Whether the slot has a PED.
# TYPE pedclient_slot_connected gauge
pedclient_slot_connected{serial="7000001",slot="1"} 0
pedclient_slot_connected{serial="7000002",slot="2"} 0
# HELP pedclient_slots HSM slots.
# TYPE pedclient_slots gauge
pedclient_slots 2
# HELP pedclient_slots_connected Slots that have a PED.
# TYPE pedclient_slots_connected gauge
pedclient_slots_connected 0
`), "pedclient_ceremonies_running", "pedclient_callers", "pedclient_connects_total", "pedclient_link_losses_total", "pedclient_slot_connected", "pedclient_slots", "pedclient_slots_connected")
		if err != nil {
			t.Error(err)
		}
		for _, d := range w.c.Status().Ceremonies {
			if d.Command == "role login" && (d.Result != "CKR_OK" || d.Count != 1 || d.Seconds != 20 || d.within[3] != 0 || d.within[4] != 1 || d.within[len(bounds)-1] != 1) {
				t.Errorf("%+v", d)
			}
		}
		if problems, err := testutil.CollectAndLint(w.c.Collector()); err != nil || len(problems) > 0 {
			t.Errorf("%v %v", problems, err)
		}
		if n := testutil.CollectAndCount(w.c.Collector(), "pedclient_ceremony_seconds"); n != 5 {
			t.Errorf("%d histograms", n)
		}
	})
}
