package main

import (
	"bytes"
	"crypto/tls"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"testing"
)

var once = plan{min: 1, max: 1}

// TestChannel runs everything about the channel once and reads the lines: names,
// and values that can be. It judges no speed.
func TestChannel(t *testing.T) {
	var out bytes.Buffer
	if err := measureChannel(&out, once, once); err != nil {
		t.Fatal(err)
	}
	wantLines(t, &out, "handshake_rpv_vs_primitives", "handshake_rpv_vs_tls13", "handshake_rpv_cold_vs_tls13", "handshake_rpv_ms",
		"handshake_tls13_ms", "record_16k_vs_ctr_hmac", "record_16k_allocs", "record_16k_mib_per_s", "linkid_handshake_ms")
}

// TestDaemons does the same with the real programs.
func TestDaemons(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the memory of a process is read from /proc")
	}
	var out bytes.Buffer
	if err := measureDaemons(&out, plan{min: 11, max: 11}, once); err != nil {
		t.Fatal(err)
	}
	wantLines(t, &out, "relay_frame_added_us", "cable_frame_us", "start_to_ready_ms", "pedclient_start_to_ready_ms", "pedserver_idle_rss_mb", "pedclient_idle_rss_mb")
}

// wantLines checks that out has these lines, each with a value that can be.
func wantLines(t *testing.T, out *bytes.Buffer, want ...string) {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^(\w+) (\d+(?:\.\d+)?)$`).FindAllStringSubmatch(out.String(), -1) {
		names = append(names, m[1])
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil || v <= 0 {
			t.Errorf("%s: %v, %v", m[1], v, err)
		}
		if m[1] == "record_16k_allocs" && v > 1 {
			t.Errorf("%v allocations per record", v)
		}
	}
	if !slices.Equal(names, want) || bytes.Count(out.Bytes(), []byte("\n")) != len(want) {
		t.Errorf("printed:\n%s", out)
	}
}

// The opponent is what it says: TLS 1.3, P-521, both sides verified, and chains
// as deep as ours.
func TestTLSIsWhatItSays(t *testing.T) {
	c, err := newTLSPair()
	if err != nil {
		t.Fatal(err)
	}
	client, server, err := c.connect()
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]tls.ConnectionState{"client": client, "server": server} {
		if s.Version != tls.VersionTLS13 || s.CurveID != tls.CurveP521 || s.DidResume || len(s.VerifiedChains) != 1 {
			t.Errorf("%s: version %#x, curve %v, resumed %v, %d chains", name, s.Version, s.CurveID, s.DidResume, len(s.VerifiedChains))
			continue
		}
		// leaf, issuing, origin; and leaf, issuing.
		if want := map[string]int{"client": 3, "server": 2}[name]; len(s.VerifiedChains[0]) != want {
			t.Errorf("%s: verified a chain of %d", name, len(s.VerifiedChains[0]))
		}
	}
}

// Ours, too, verifies: with the wrong RPV or an unknown root there is no ratio.
func TestSetupVerifies(t *testing.T) {
	s, err := newSetup()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.coldHandshake(); err != nil {
		t.Fatal(err)
	}
	other, err := newSetup()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.run(other.pedVerifier(), s.hsmVerifier()); err == nil {
		t.Error("a PED that does not know the root agreed")
	}
	if _, err := s.run(s.pedVerifier(), other.hsmVerifier()); err == nil {
		t.Error("an HSM that does not list the RPK agreed")
	}
}
