package pedserver

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"openped/certs/linkid"
	"openped/protocol"
)

// Why a caller did not get what it called for.
const (
	refusedAddress  = "address"  // not among the allowed clients
	refusedCrowd    = "crowd"    // too many at a time
	refusedPlain    = "no_tls"   // without TLS, which is required
	refusedNoTLS    = "tls"      // with TLS, which is off
	refusedTLS      = "identity" // see the reasons of TLS
	refusedBusy     = "busy"     // the PED serves another HSM
	refusedSilent   = "silent"   // said too little for too long
	refusedGone     = "gone"     // hung up before it asked for anything
	refusedProtocol = "protocol"
	refusedVersion  = "version"
	refusedNoPED    = "no_ped"
	refusedPEDMode  = "ped_mode"
	refusedPaused   = "unproven" // had the PED too long without a proof
	refusedMute     = "ped_mute"
	refusedReleased = "ped_released" // given up for other programs
	refusedUnusable = "ped_unusable" // it cannot be opened
)

var refusedCodes = map[protocol.LinkErr]string{
	protocol.LinkErrVersion: refusedVersion, protocol.LinkErrProtocol: refusedProtocol, protocol.LinkErrNoPED: refusedNoPED,
	protocol.LinkErrPEDMode: refusedPEDMode, protocol.LinkErrTooSlow: refusedPaused,
	protocol.LinkErrPEDMute: refusedMute, protocol.LinkErrPEDReleased: refusedReleased, protocol.LinkErrPEDUnusable: refusedUnusable,
}

// Counters are what a Server has counted since its start.
type Counters struct {
	Connections uint64            `json:"connections"` // that came in
	Probes      uint64            `json:"probes"`      // of those, questions about the PED
	Refused     map[string]uint64 `json:"refused"`     // by reason
	TLSRefused  map[string]uint64 `json:"tlsRefused"`  // by reason, those of "identity"
	Holds       uint64            `json:"holds"`       // times that an HSM host got the PED
	Unproven    uint64            `json:"unproven"`    // of those, without a proof of the HSM

	FramesToPED   uint64 `json:"framesToPed"`
	FramesFromPED uint64 `json:"framesFromPed"`
	BytesToPED    uint64 `json:"bytesToPed"`
	BytesFromPED  uint64 `json:"bytesFromPed"`

	PEDLosses uint64 `json:"pedLosses"` // times that the PED went away
	PEDResets uint64 `json:"pedResets"` // resets of its port, because it was mute

	Dialogues Histogram `json:"dialogues"` // durations in seconds
}

// Histogram is how often something took how long.
type Histogram struct {
	Count   uint64   `json:"count"`
	Sum     float64  `json:"sum"`
	Buckets []Bucket `json:"buckets"`
}

// Bucket counts what took no longer than a limit.
type Bucket struct {
	Limit float64 `json:"limit"`
	Count uint64  `json:"count"`
}

// dialogueLimits are from a glance to an M of N with everybody asleep.
var dialogueLimits = []float64{1, 5, 10, 30, 60, 120, 300, 600, 1800}

// counts is where a Server counts.
type counts struct {
	framesTo, framesFrom, bytesTo, bytesFrom atomic.Uint64

	mu sync.Mutex
	c  Counters
}

// newCounts begins all counters at zero, so that every one can be seen.
func newCounts() *counts {
	c := &counts{c: Counters{Refused: make(map[string]uint64), TLSRefused: make(map[string]uint64)}}
	for _, why := range []string{refusedAddress, refusedCrowd, refusedPlain, refusedNoTLS, refusedTLS, refusedBusy, refusedSilent, refusedGone} {
		c.c.Refused[why] = 0
	}
	for _, why := range refusedCodes {
		c.c.Refused[why] = 0
	}
	for _, why := range linkid.Reasons() {
		c.c.TLSRefused[why.String()] = 0
	}
	for _, limit := range dialogueLimits {
		c.c.Dialogues.Buckets = append(c.c.Dialogues.Buckets, Bucket{Limit: limit})
	}
	return c
}

func (c *counts) connected() { c.mu.Lock(); c.c.Connections++; c.mu.Unlock() }
func (c *counts) probed()    { c.mu.Lock(); c.c.Probes++; c.mu.Unlock() }
func (c *counts) lent()      { c.mu.Lock(); c.c.Holds++; c.mu.Unlock() }
func (c *counts) lost()      { c.mu.Lock(); c.c.PEDLosses++; c.mu.Unlock() }
func (c *counts) reset()     { c.mu.Lock(); c.c.PEDResets++; c.mu.Unlock() }
func (c *counts) unproven()  { c.mu.Lock(); c.c.Unproven++; c.mu.Unlock() }

func (c *counts) refuse(why string) { c.mu.Lock(); c.c.Refused[why]++; c.mu.Unlock() }

func (c *counts) refuseTLS(why linkid.Reason) {
	c.refuse(refusedTLS)
	c.mu.Lock()
	c.c.TLSRefused[why.String()]++
	c.mu.Unlock()
}

// toPED and fromPED are called for every frame: nobody is to wait for a lock.
func (c *counts) toPED(n int)   { c.framesTo.Add(1); c.bytesTo.Add(uint64(n)) }
func (c *counts) fromPED(n int) { c.framesFrom.Add(1); c.bytesFrom.Add(uint64(n)) }

func (c *counts) dialogue(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.c.Dialogues
	h.Count++
	h.Sum += d.Seconds()
	for i := range h.Buckets {
		if d.Seconds() <= h.Buckets[i].Limit {
			h.Buckets[i].Count++
		}
	}
}

// get returns a copy.
func (c *counts) get() Counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.c
	out.Refused, out.TLSRefused = maps.Clone(c.c.Refused), maps.Clone(c.c.TLSRefused)
	out.Dialogues.Buckets = slices.Clone(out.Dialogues.Buckets)
	out.FramesToPED, out.FramesFromPED = c.framesTo.Load(), c.framesFrom.Load()
	out.BytesToPED, out.BytesFromPED = c.bytesTo.Load(), c.bytesFrom.Load()
	return out
}
