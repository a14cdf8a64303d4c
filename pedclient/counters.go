package pedclient

import (
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"openped/certs/linkid"
	"openped/hsm"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/usbped"
)

// counters count what happens, for status and metrics. Nothing is waited for
// under their lock.
type counters struct {
	mu       sync.Mutex
	connects map[string]uint64 // by result
	losses   map[string]uint64 // by reason
	refusals map[string]uint64 // of TLS, by reason
	calls    uint64            // that came in
	turned   map[string]uint64 // callers that were turned away, by reason
	commands map[commandKey]*Durations
}

type commandKey struct{ command, result string }

// bounds are the upper ends, in seconds, of the classes that ceremonies are
// counted in: machines are done in a second, people take minutes.
var bounds = [...]float64{0.1, 1, 5, 15, 30, 60, 120, 300, 600, 1200, 3600}

// Durations are how long ceremonies of one command and result took.
type Durations struct {
	Command string  `json:"command"`
	Result  string  `json:"result"`
	Count   uint64  `json:"count"`
	Seconds float64 `json:"seconds"` // the sum

	within [len(bounds)]uint64 // how many took no longer than a bound
}

func newCounters() *counters {
	c := &counters{connects: map[string]uint64{}, losses: map[string]uint64{}, refusals: map[string]uint64{}, turned: map[string]uint64{}, commands: map[commandKey]*Durations{}}
	for _, r := range linkid.Reasons() {
		c.refusals[r.String()] = 0
	}
	for _, r := range lossReasons {
		c.losses[r] = 0
	}
	for _, r := range []string{turnedCrowd, turnedIdentity, turnedHello, turnedUser, turnedCallers} {
		c.turned[r] = 0
	}
	return c
}

func (c *counters) refuse(r linkid.Reason) { c.mu.Lock(); c.refusals[r.String()]++; c.mu.Unlock() }

// Why a caller was turned away.
const (
	turnedCrowd    = "crowd"    // PEDservers' port: too many at a time
	turnedIdentity = "identity" // PEDservers' port: no TLS, see the reasons of TLS
	turnedHello    = "hello"    // PEDservers' port: TLS and then no HELLO
	turnedUser     = "user"     // HSM socket: who may not use it
	turnedCallers  = "callers"  // HSM socket: too many at a time
)

func (c *counters) called() { c.mu.Lock(); c.calls++; c.mu.Unlock() }

func (c *counters) turn(why string) { c.mu.Lock(); c.turned[why]++; c.mu.Unlock() }

func (c *counters) lose(reason string) { c.mu.Lock(); c.losses[reason]++; c.mu.Unlock() }

// ceremonies are the commands that people may have a part in.
var ceremonies = map[hsmapi.Command]bool{hsmapi.PedConnect: true, hsmapi.VectorInit: true, hsmapi.HsmInit: true, hsmapi.Login: true, hsmapi.ChangePIN: true}

// ceremonyNames returns their names in order.
func ceremonyNames() []string {
	var names []string
	for _, c := range slices.Sorted(maps.Keys(ceremonies)) {
		names = append(names, c.String())
	}
	return names
}

// done counts a command.
func (c *counters) done(cmd hsmapi.Command, took time.Duration, err error) {
	if !ceremonies[cmd] {
		return
	}
	result := "CKR_OK"
	var e *hsmapi.Error
	if errors.As(err, &e) {
		if result = e.Code.Name(); result == "" {
			result = "other"
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if cmd == hsmapi.PedConnect {
		c.connects[result]++
	}
	k := commandKey{cmd.String(), result}
	d := c.commands[k]
	if d == nil {
		d = &Durations{Command: k.command, Result: k.result}
		c.commands[k] = d
	}
	d.Count++
	d.Seconds += took.Seconds()
	for i, b := range bounds {
		if took.Seconds() <= b {
			d.within[i]++
		}
	}
}

// snapshot copies the counters into a Status.
func (c *counters) snapshot(st *Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st.Connects, st.LinkLosses, st.TLSRefusals = maps.Clone(c.connects), maps.Clone(c.losses), maps.Clone(c.refusals)
	st.Connections, st.Refused = c.calls, maps.Clone(c.turned)
	for _, d := range c.commands {
		st.Ceremonies = append(st.Ceremonies, *d)
	}
}

// lossReasons are the words of lossReason.
var lossReasons = []string{"silent", "broken", "replaced", "idle", "ped_lost", "too_slow", "shutdown", "disconnected", "unregistered", "other"}

// lossReason returns one word for why a hold ended by itself, "" for one that
// was given back.
func lossReason(cause *hsm.Error) string {
	var l lost
	var said protocol.Error
	var refused *linkid.RefusedError
	switch {
	case errors.Is(cause.Err, errGivenBack):
		return ""
	case errors.Is(cause.Err, errReplaced):
		return "replaced"
	case errors.Is(cause.Err, errIdle):
		return "idle"
	case errors.As(cause.Err, &l):
		if errors.Is(l.error, os.ErrDeadlineExceeded) {
			return "silent"
		}
		return "broken"
	case errors.As(cause.Err, &refused):
		return "unregistered"
	case errors.Is(cause.Err, usbped.ErrUnplugged):
		return "ped_lost"
	case errors.As(cause.Err, &said):
		switch said.Code {
		case protocol.LinkErrPEDLost, protocol.LinkErrPEDMute, protocol.LinkErrPEDReleased:
			return "ped_lost"
		case protocol.LinkErrIdle:
			return "idle"
		case protocol.LinkErrTooSlow:
			return "too_slow"
		case protocol.LinkErrShutdown:
			return "shutdown"
		case protocol.LinkErrDisconnected:
			return "disconnected"
		}
	}
	return "other"
}
