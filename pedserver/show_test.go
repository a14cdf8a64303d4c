package pedserver

import (
	"strings"
	"testing"
)

// The vendor's own example, with our version: no line differs in a blank.
const vendorShow = `Server Information:
  Hostname:                DWG9999
  IP:                      0.0.0.0
  Firmware Version:        2.7.1-5
  PedII Protocol Version:   1.0.1-0
  Software Version:         1.0.6 (10006)

  Ped2 Connection Status:   Connected
  Ped2 RPK Count            0
  Ped2 RPK Serial Numbers   (none)

Client Information:         Not Available

Operating Information:
  Server Port:              1503
  External Server Interface: Yes
  Admin Port:               1502
  External Admin Interface: No

  Server Up Time:           190 (secs)
  Server Idle Time:         0 (secs) (0%)
  Idle Timeout Value:       1800 (secs)

  Current Connection Time:   0 (secs)
  Current Connection Idle Time: 0 (secs)
  Current Connection Total Idle Time: 0 (secs) (100%)
  Total Connection Time:     0 (secs)
  Total Connection Idle Time: 0 (secs) (100%)

Show command passed.
`

func vendorStatus() Status {
	return Status{
		Hostname: "DWG9999", IP: "0.0.0.0", Version: "1.0.6 (10006)", ProtocolVersion: "1.0.1-0", Port: 1503, External: true, AdminPort: 1502, Mode: ModeLegacy,
		PED: PEDStatus{Connected: true, Firmware: "2.7.1-5", Mode: "remote"}, UpTime: 190, IdleTimeout: 1800,
	}
}

func show(st Status) string {
	var b strings.Builder
	st.Show(&b)
	return b.String()
}

func TestShowLiteral(t *testing.T) {
	if got := show(vendorStatus()); got != vendorShow {
		t.Errorf("got\n%s\nwant\n%s", got, vendorShow)
	}
}

// TestShowIsPlain: what a daemon says of itself does not steer the terminal.
func TestShowIsPlain(t *testing.T) {
	st := vendorStatus()
	st.Version, st.Hostname = "1.0\x1b[2J", "a\nShow command passed."
	st.Client = &ClientStatus{HSM: "\x1b]0;", Software: "\u009b2J", Name: "x\r"}
	got := show(st)
	if strings.ContainsAny(got, "\x1b\r\u009b") || strings.Count(got, "\nShow command passed.\n") != 1 {
		t.Errorf("%q", got)
	}
}

func TestShowMore(t *testing.T) {
	st := vendorStatus()
	st.PED = PEDStatus{Connected: true, Firmware: "2.9.0", Software: true, RPKs: []string{"1a123456789a1234"}}
	st.Client = &ClientStatus{Address: "10.0.0.1:4000", HSM: "H1", Proven: true, Time: 100, Idle: 20, TotalIdle: 50}
	st.TotalConnection, st.TotalConnectionIdle = 200, 50
	got := show(st)
	for _, want := range []string{
		"  Ped2 RPK Count            1\n  Ped2 RPK Serial Numbers   (1a123456789a1234)\n  Ped2 Device:              SOFTWARE PED\n",
		"  IP:                      10.0.0.1:4000\n", "H1 (not authenticated)\n",
		"  Current Connection Time:   100 (secs)\n  Current Connection Idle Time: 20 (secs)\n  Current Connection Total Idle Time: 50 (secs) (50%)\n",
		"  Total Connection Time:     200 (secs)\n  Total Connection Idle Time: 50 (secs) (25%)\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "Not Available") {
		t.Error("client not available, with a client")
	}
	st.PED.Mode = "admin"
	if got := show(st); !strings.Contains(got, "  Ped2 Mode:                admin\n") {
		t.Errorf("in the menu:\n%s", got)
	}
	st.PED = PEDStatus{Reason: "no PED found"}
	if got := show(st); !strings.Contains(got, "  Ped2 Connection Status:   Disconnected\n") || !strings.Contains(got, "  Ped2 Disconnect Reason:   no PED found\n") || strings.Contains(got, "SOFTWARE") {
		t.Errorf("without a PED:\n%s", got)
	}
}

func TestShowPeer(t *testing.T) {
	st := vendorStatus()
	st.Mode, st.IP, st.Port, st.External = ModePeer, "", 0, false
	st.TLS = TLSStatus{Calls: "offered", Identity: "desk", Peers: 2}
	st.Links = []LinkStatus{{Name: "abox", Address: "10.0.0.1:9697", State: LinkServing, Since: 35},
		{Name: "bbox", Address: "10.0.0.2:9696", State: LinkWaiting, Since: 3, Tries: 7, Error: "nobody listens there"}}
	st.Client = &ClientStatus{Address: "10.0.0.1:9697", Name: "abox", TLS: "TLS 1.3, X25519MLKEM768", HSM: "H1"}
	got := show(st)
	for _, want := range []string{
		"  IP:                      Not Available\n", "  Server Port:              Not Available\n", "  External Server Interface: No\n",
		"Appliance Information:\n  abox:                    serving, 10.0.0.1:9697, 35 (secs)\n  bbox:                    waiting, 10.0.0.2:9696, 3 (secs)\n" +
			"                           failed tries: 7, last: nobody listens there\n\n",
		"  Registered Name:         abox (TLS 1.3, X25519MLKEM768)\n", "  TLS:                      certificate desk, registered: 2\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	st.Mode, st.Links, st.Reachability = ModeLegacy, nil, []string{"10.0.0.1:1503 does not answer"}
	got = show(st)
	for _, want := range []string{"  TLS:                      offered, certificate desk, registered: 2\n", "  Reachability:             10.0.0.1:1503 does not answer\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
