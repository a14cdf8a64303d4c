package pedserver

import (
	"errors"
	"sync"
	"time"

	"openped/protocol"
	"openped/usbped"
)

// client is what is known and counted of the connection that has the PED.
type client struct {
	addr, serial, software string
	name, tls              string // see caller
	called                 bool
	since                  time.Time

	mu     sync.Mutex
	proven bool
	last   time.Time     // the last PED frame, either way
	idle   time.Duration // all gaps between PED frames longer than activeGap
}

// activeGap is the longest silence that still counts as use: while a dialogue
// runs the PED sends an activity record every 5 s.
const activeGap = 6 * time.Second

func newClient(who caller, serial, software string) *client {
	now := time.Now()
	return &client{addr: who.addr, serial: serial, software: software, name: who.name, tls: who.tls, called: who.called, since: now, last: now}
}

func (c *client) frame(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gap := now.Sub(c.last); gap > activeGap {
		c.idle += gap
	}
	c.last = now
}

func (c *client) prove() { c.mu.Lock(); c.proven = true; c.mu.Unlock() }

func (c *client) lastFrame() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.last }

// totals returns the time since the last frame and the sum of all gaps.
func (c *client) totals(now time.Time) (idle, total time.Duration, proven bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	idle = now.Sub(c.last)
	total = c.idle
	if idle > activeGap {
		total += idle
	}
	return idle, total, c.proven
}

func (s *Server) took(c *client) { s.mu.Lock(); s.current = c; s.mu.Unlock() }

func (s *Server) gaveBack(c *client) {
	now := time.Now()
	_, all, _ := c.totals(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = nil
	s.total += now.Sub(c.since)
	s.idle += all
}

// Status is what `pedserver -mode show` tells. Times are in whole seconds.
type Status struct {
	Hostname        string   `json:"hostname"`
	IP              string   `json:"ip"`
	Version         string   `json:"version"`
	ProtocolVersion string   `json:"protocolVersion"`
	Listening       []string `json:"listening"`
	Port            int      `json:"port"`
	External        bool     `json:"external"`
	AdminPort       int      `json:"adminPort"`
	ExternalAdmin   bool     `json:"externalAdmin"`
	PID             int      `json:"pid"`
	Service         string   `json:"service"` // the name of the service that it is; "": none
	LogFile         string   `json:"logFile"`
	ConfigFile      string   `json:"configFile"`

	Mode         string       `json:"mode"` // "legacy" or "peer-to-peer"
	TLS          TLSStatus    `json:"tls"`
	Links        []LinkStatus `json:"links,omitempty"`        // to the appliances that were started
	Reachability []string     `json:"reachability,omitempty"` // what is to be known of the addresses

	PED    PEDStatus     `json:"ped"`
	Client *ClientStatus `json:"client,omitempty"`

	UpTime      int64 `json:"upTime"`
	IdleTime    int64 `json:"idleTime"`
	IdleTimeout int64 `json:"idleTimeout"` // 0: never

	TotalConnection     int64 `json:"totalConnection"`
	TotalConnectionIdle int64 `json:"totalConnectionIdle"`

	Counters Counters `json:"counters"`
}

// The modes.
const (
	ModeLegacy = "legacy"
	ModePeer   = "peer-to-peer"
)

// TLSStatus is what is said of TLS in Status.
type TLSStatus struct {
	Calls    string `json:"calls"`              // of HSM hosts: "off", "offered" or "required"
	Identity string `json:"identity,omitempty"` // the common name of this host's certificate
	Problem  string `json:"problem,omitempty"`  // with that certificate
	Peers    int    `json:"peers"`              // registered appliances
}

// LinkStatus is one link to an appliance in Status.
type LinkStatus struct {
	Name    string    `json:"name"`
	Address string    `json:"address"`
	State   LinkState `json:"state"`
	Since   int64     `json:"since"`           // seconds that it has been so
	Tries   int       `json:"tries"`           // failed ones in a row
	Error   string    `json:"error,omitempty"` // why the last try failed, or the link ended
}

// PEDStatus is the PED's part of Status.
type PEDStatus struct {
	Connected bool     `json:"connected"`
	State     string   `json:"state"`             // a word of usbped.State
	Reason    string   `json:"reason,omitempty"`  // why not connected
	Remedy    string   `json:"remedy,omitempty"`  // what to do about the state
	Devices   []string `json:"devices"`           // serials of the PEDs that are plugged in
	Hanging   int      `json:"hanging,omitempty"` // calls to the PED that do not return
	Serial    string   `json:"serial,omitempty"`
	Firmware  string   `json:"firmware,omitempty"`
	Software  bool     `json:"software,omitempty"`
	Mode      string   `json:"mode,omitempty"`
	Busy      bool     `json:"busy,omitempty"`
	RPKs      []string `json:"rpks"` // serials of cached orange keys
}

// ClientStatus is the HSM host's part of Status. What it says of itself is not
// authenticated towards PEDserver.
type ClientStatus struct {
	Address   string `json:"address"`
	Name      string `json:"name,omitempty"` // as registered, if TLS has made it known
	TLS       string `json:"tls,omitempty"`  // what protects the link
	Called    bool   `json:"called"`         // the link was made by this side
	HSM       string `json:"hsm"`
	Software  string `json:"software"`
	Proven    bool   `json:"proven"` // the PED says that the HSM proved itself
	Time      int64  `json:"time"`
	Idle      int64  `json:"idle"`
	TotalIdle int64  `json:"totalIdle"`
}

// Status returns the state of this moment. It waits for nothing.
func (s *Server) Status() Status {
	s.ped.look()
	now := time.Now()
	sec := func(d time.Duration) int64 { return int64(d / time.Second) }
	st := Status{PED: s.ped.status(), UpTime: sec(now.Sub(s.started)), IdleTimeout: max(0, sec(s.live.now().IdleTimeout)),
		Listening: []string{}, AdminPort: DefaultAdminPort, Mode: ModeLegacy, TLS: s.tlsStatus(), Counters: s.counts.get()}
	if s.cfg.Peer {
		st.Mode = ModePeer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	total, idleTotal := s.total, s.idle
	if c := s.current; c != nil {
		idle, all, proven := c.totals(now)
		total += now.Sub(c.since)
		idleTotal += all
		st.Client = &ClientStatus{Address: c.addr, Name: c.name, TLS: c.tls, Called: c.called, HSM: c.serial, Software: c.software, Proven: proven,
			Time: sec(now.Sub(c.since)), Idle: sec(idle), TotalIdle: sec(all)}
	}
	for _, a := range s.appliances {
		st.Links = append(st.Links, a.status(now))
	}
	st.TotalConnection, st.TotalConnectionIdle = sec(total), sec(idleTotal)
	st.IdleTime = max(0, st.UpTime-(st.TotalConnection-st.TotalConnectionIdle))
	return st
}

func (s *Server) tlsStatus() TLSStatus {
	st := TLSStatus{Calls: s.live.now().TLS.String(), Peers: len(s.cfg.Peers().Peers())}
	if id := s.cfg.Identity(); id != nil {
		st.Identity, st.Problem = id.CommonName, id.Problem(time.Now())
	}
	return st
}

func (a *appliance) status(now time.Time) LinkStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	return LinkStatus{Name: a.name, Address: addressOf(a.peer), State: a.state, Since: int64(now.Sub(a.since) / time.Second),
		Tries: a.tries, Error: reason(a.err)}
}

func (p *ped) status() PEDStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := PEDStatus{Devices: p.devices(), RPKs: []string{}, Hanging: p.calls.now()}
	if p.dev == nil {
		st.State, st.Reason, st.Remedy = lackState(p.lack).String(), p.lack.Error(), usbped.Hint(p.lack)
		return st
	}
	i, state := p.dev.Info(), p.present()
	st.Connected, st.State, st.Remedy = true, state.String(), state.Remedy()
	st.Serial, st.Firmware, st.Software = i.Serial, i.Firmware, i.Software
	if p.state != nil {
		st.Mode, st.Busy = p.state.Mode.String(), p.state.Busy
		for _, k := range p.state.RPKs {
			st.RPKs = append(st.RPKs, k.String())
		}
	}
	return st
}

// present is the state of a PED that is there.
func (p *ped) present() usbped.State {
	switch {
	case p.holder != nil:
		return usbped.StateBusy
	case p.wrongMode():
		return usbped.StateWrongMode
	case p.state != nil && p.state.Busy:
		return usbped.StateBusy
	}
	return usbped.StateReady
}

// lackState is the state for why there is no PED.
func lackState(err error) usbped.State {
	if errors.Is(err, errGivenUp) {
		return usbped.StateReleased
	}
	return usbped.StateOf(err)
}

// devices returns the serial numbers of the PEDs that are known to be plugged in.
func (p *ped) devices() []string {
	var several *usbped.SeveralError
	switch {
	case p.tells:
		return append([]string{}, p.seen...)
	case p.dev != nil:
		return []string{p.dev.Info().Serial}
	case errors.As(p.lack, &several):
		return append([]string{}, several.Serials...)
	}
	return []string{}
}

// ProtocolVersion is the link's version in the vendor's form.
const ProtocolVersion = "1.0.0-0"

var _ = [1]struct{}{}[protocol.LinkVersion-1] // ProtocolVersion names version 1
