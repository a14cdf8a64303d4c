package pedclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"openped/certs/linkid"
	"openped/hsm"
	"openped/internal/cmdline"
	"openped/internal/rc"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// Prober asks a PEDserver what it has. It takes nothing from anybody, and needs
// no running pedclient.
type Prober struct {
	Timeout    time.Duration // for all of it; default 10 s
	Dial       Dialer        // nil: the network
	Identity   *linkid.Identity
	PEDServers *linkid.Registry
}

// ProbeResult is what a PEDserver answered, or how far the way to it led.
type ProbeResult struct {
	Host        string   `json:"host"`
	Port        int      `json:"port"`
	TLS         bool     `json:"tls"`
	Passed      bool     `json:"passed"`              // there is a PED
	Addresses   []string `json:"addresses,omitempty"` // of the name
	Address     string   `json:"address,omitempty"`   // that answered
	PEDServer   string   `json:"pedserver,omitempty"` // by its certificate
	Software    string   `json:"software,omitempty"`
	LinkVersion int      `json:"linkVersion,omitempty"`
	PED         *PEDSeen `json:"ped,omitempty"`
	Steps       []Step   `json:"steps"`
}

// PEDSeen is the PED as its PEDserver describes it.
type PEDSeen struct {
	Connected bool   `json:"connected"`
	Serial    string `json:"serial,omitempty"`
	Firmware  string `json:"firmware,omitempty"`
	Software  bool   `json:"software,omitempty"`
	Mode      string `json:"mode,omitempty"`
	Busy      uint32 `json:"busy,omitempty"` // seconds that an HSM has had it
}

// Probe does it. The result has what was found out also when it fails; the error
// is a *cmdline.ExitError.
func (p Prober) Probe(ctx context.Context, to Target) (ProbeResult, error) {
	n := &network{dial: p.Dial, clock: newClock(Timers{Dial: p.Timeout}), secure: &secure{
		identity: func() *linkid.Identity { return p.Identity },
		servers:  func() *linkid.Registry { return p.PEDServers },
	}}
	to.TLS = to.TLS || to.PEDServer != ""
	r := ProbeResult{Host: to.Host, Port: to.Port, TLS: to.TLS, Steps: []Step{}}
	ctx, cancel := limited(ctx, n.clock.get().Dial)
	defer cancel()
	t := newTrace()
	err := r.ask(ctx, n, to, t)
	r.Addresses, r.Address, r.Steps = t.seen()
	if err != nil {
		return r, exitError(err)
	}
	r.Passed = true
	return r, nil
}

func (r *ProbeResult) ask(ctx context.Context, n *network, to Target, t *trace) error {
	g, err := n.greet(ctx, to, t)
	if err != nil {
		return err
	}
	defer g.conn.Close()
	r.PEDServer, r.Software, r.LinkVersion = g.peer, g.software, int(g.version)
	b, err := g.ask(ctx, protocol.Probe{})
	if err != nil {
		return err
	}
	seen, ok := b.(protocol.Probed)
	if !ok {
		return linkError(protocol.LinkErrProtocol, g.where)
	}
	t.step("probe")
	r.PED = &PEDSeen{Connected: seen.Connected, Serial: seen.Serial, Firmware: seen.Firmware, Software: seen.Software, Busy: seen.Busy}
	if seen.Mode != 0 {
		r.PED.Mode = seen.Mode.String()
	}
	if !seen.Connected {
		return linkError(protocol.LinkErrNoPED, g.where)
	}
	return nil
}

// exitError makes an error of this package one of the command line.
func exitError(err error) error {
	var e *hsm.Error
	if !errors.As(err, &e) {
		return cmdline.Failed(err, "")
	}
	out := &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.SocketError, Err: errors.New(e.Msg), Hint: e.Hint}
	var said protocol.Error
	var refused *linkid.RefusedError
	switch {
	case errors.As(e.Err, &said) && said.Code == protocol.LinkErrNoPED:
		out.RC = rc.NoPED
	case errors.Is(e.Err, linkid.ErrNoIdentity):
		out.RC = rc.NoIdentity
	case errors.Is(e.Err, linkid.ErrNotRegistered):
		out.RC = rc.NotRegistered
	case errors.As(e.Err, &refused) && refused.Reason != linkid.Closed:
		out.RC = rc.BadCertificate
	case e.Code == hsmapi.CKR_PEDSERVER_UNTRUSTED:
		out.RC = rc.PeerRefused
	case e.Err != nil && failureOf(e.Err) == noAnswer:
		out.RC = rc.OperationTimedOut
	case e.Code == hsmapi.CKR_PED_UNPLUGGED:
		out.RC = rc.PeerUnreachable
	}
	return out
}

// Show prints the result.
func (r ProbeResult) Show(w io.Writer) {
	p := func(name, value string) { fmt.Fprintf(w, "  %-24s %s\n", name+":", cmdline.Printable(value)) }
	fmt.Fprintf(w, "Test of %s:\n", cmdline.Printable(Target{Host: r.Host, Port: r.Port}.String()))
	took := map[string]string{}
	var all int64
	for _, s := range r.Steps {
		took[s.Name] = fmt.Sprintf(" (%s)", time.Duration(s.Microseconds)*time.Microsecond)
		all += s.Microseconds
	}
	if len(r.Addresses) > 0 {
		p("Name Resolution", strings.Join(r.Addresses, ", ")+took["resolve"])
	}
	if r.Address != "" {
		p("Connection", r.Address+took["connect"])
	}
	if r.PEDServer != "" {
		p("TLS", "registered PEDserver "+r.PEDServer+took["tls"])
	} else if r.Address != "" && !r.TLS {
		p("TLS", "no")
	}
	if r.LinkVersion > 0 {
		p("PEDserver Software", r.Software+took["hello"])
		p("Link Version", fmt.Sprint(r.LinkVersion))
	}
	if r.PED != nil {
		r.PED.show(p, took["probe"])
	}
	p("Time Taken", (time.Duration(all) * time.Microsecond).String())
	if r.Passed {
		fmt.Fprintln(w, "Testid command passed.")
	}
}

func (s PEDSeen) show(p func(name, value string), took string) {
	if !s.Connected {
		p("PED", "Disconnected"+took)
		return
	}
	p("PED", "Connected"+took)
	orNone := func(v string) string {
		if v == "" {
			return "(not known)"
		}
		return v
	}
	serial := orNone(s.Serial)
	if s.Software {
		serial += " (software PED)"
	}
	p("PED Serial Number", serial)
	p("PED Firmware Version", orNone(s.Firmware))
	p("PED Mode", orNone(s.Mode))
	if s.Busy > 0 {
		p("PED In Use", fmt.Sprintf("yes, for %d (secs)", s.Busy))
	} else {
		p("PED In Use", "no")
	}
}
