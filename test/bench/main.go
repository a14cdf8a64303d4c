package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// All groups together take about a minute, the builds included.
var (
	handshakePlan = plan{min: 31, max: 401, budget: 20 * time.Second}
	recordPlan    = plan{min: 31, max: 401, budget: 8 * time.Second}
	relayPlan     = plan{min: 1001, max: 20001, budget: 5 * time.Second}
	startPlan     = plan{min: 9, max: 15, budget: 5 * time.Second}
)

func main() {
	var err error
	switch only := strings.Join(os.Args[1:], " "); only {
	case "":
		err = measureChannel(os.Stdout, handshakePlan, recordPlan)
		if err == nil {
			err = measureDaemons(os.Stdout, relayPlan, startPlan)
		}
	case "channel":
		err = measureChannel(os.Stdout, handshakePlan, recordPlan)
	case "daemons":
		err = measureDaemons(os.Stdout, relayPlan, startPlan)
	default:
		err = fmt.Errorf("%q: give nothing, channel or daemons", only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measureDaemons prints the lines about the real programs.
func measureDaemons(w io.Writer, relay, start plan) error {
	d, err := newDaemons()
	if err != nil {
		return err
	}
	defer d.close()
	if err := measureRelay(w, relay, d); err != nil {
		return err
	}
	if err := d.measureStart(w, start); err != nil {
		return err
	}
	return d.measureIdle(w)
}

// measureChannel prints the lines about the secure channel, on one processor:
// time is work then (doc.go).
func measureChannel(w io.Writer, handshakes, records plan) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s, err := newSetup()
	if err != nil {
		return err
	}
	if err := s.measureHandshakes(w, handshakes); err != nil {
		return err
	}
	if err := s.measureRecords(w, records); err != nil {
		return err
	}
	return measureLinkID(w, records)
}

func (s *setup) measureHandshakes(w io.Writer, p plan) error {
	warm, err := s.handshake()
	if err != nil {
		return err
	}
	prim, err := s.primitives()
	if err != nil {
		return err
	}
	tls, err := newTLS()
	if err != nil {
		return err
	}
	rounds, err := interleave(p, time.Now,
		side{"handshake rpv", warm},
		side{"primitives", prim},
		side{"tls 1.3", tls},
		side{"handshake rpv, cold", s.coldHandshake})
	if err != nil {
		return err
	}
	printLine(w, "handshake_rpv_vs_primitives", "%.3f", ratio(rounds, 0, 1))
	printLine(w, "handshake_rpv_vs_tls13", "%.3f", ratio(rounds, 0, 2))
	printLine(w, "handshake_rpv_cold_vs_tls13", "%.3f", ratio(rounds, 3, 2))
	printLine(w, "handshake_rpv_ms", "%.2f", 1e3*typical(rounds, 0))
	printLine(w, "handshake_tls13_ms", "%.2f", 1e3*typical(rounds, 2))
	return nil
}

func (s *setup) measureRecords(w io.Writer, p plan) error {
	r, err := s.records()
	if err != nil {
		return err
	}
	rounds, err := interleave(p, time.Now, side{"records", r.channel}, side{"ctr and hmac", r.plain})
	if err != nil {
		return err
	}
	allocs, err := r.allocs()
	if err != nil {
		return err
	}
	// Throughputs relate inversely to times.
	printLine(w, "record_16k_vs_ctr_hmac", "%.3f", ratio(rounds, 1, 0))
	printLine(w, "record_16k_allocs", "%.0f", allocs)
	printLine(w, "record_16k_mib_per_s", "%.0f", recordBytes/(1<<20)/typical(rounds, 0))
	return nil
}

func printLine(w io.Writer, name, format string, v float64) {
	fmt.Fprintf(w, "%s "+format+"\n", name, v)
}
