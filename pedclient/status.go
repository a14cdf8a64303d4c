package pedclient

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"openped/internal/cmdline"
)

// Status is what `pedclient -mode show` tells; metrics are made of it too. Times
// are in whole seconds.
type Status struct {
	Hostname      string   `json:"hostname"`
	Version       string   `json:"version"`
	PID           int      `json:"pid"`
	Service       string   `json:"service"` // the name of the service that it is; "": none
	Socket        string   `json:"socket"`
	LogFile       string   `json:"logFile"`
	ConfigFile    string   `json:"configFile"`
	Listening     []string `json:"listening"` // for PEDservers
	AdminPort     int      `json:"adminPort"`
	ExternalAdmin bool     `json:"externalAdmin"`
	Identity      string   `json:"identity,omitempty"` // common name of this host's certificate
	UpTime        int64    `json:"upTime"`
	Callers       int      `json:"callers"`

	IdleTimeout int64        `json:"idleTimeout"` // 0: as the PEDserver has it
	Slots       []SlotStatus `json:"slots"`
	Links       []LinkStatus `json:"links"` // that PEDservers have made

	Connections uint64            `json:"connections"` // that came in, of PEDservers
	Refused     map[string]uint64 `json:"refused"`     // by reason, callers of the port and the socket
	Connects    map[string]uint64 `json:"connects"`    // by result
	LinkLosses  map[string]uint64 `json:"linkLosses"`  // by reason
	TLSRefusals map[string]uint64 `json:"tlsRefusals"` // by reason
	Ceremonies  []Durations       `json:"ceremonies"`  // that are over
}

// SlotStatus is one slot's part of Status.
type SlotStatus struct {
	Slot         int    `json:"slot"`
	File         string `json:"file"`
	Serial       string `json:"serial"`
	Label        string `json:"label"`
	Firmware     string `json:"firmware"`
	Auth         string `json:"auth"`
	State        string `json:"state"`
	RPV          bool   `json:"rpv"`
	Ceremony     string `json:"ceremony,omitempty"`     // what is running
	CeremonyTime int64  `json:"ceremonyTime,omitempty"` // for how long
	Connected    bool   `json:"connected"`
	Proven       bool   `json:"proven"` // the PED, too, has proved itself
	Local        bool   `json:"local,omitempty"`
	PEDDevice    string `json:"pedDevice,omitempty"` // of a local PED
	PEDServer    string `json:"pedserver,omitempty"`
	Name         string `json:"pedserverName,omitempty"` // by its certificate
	TLS          bool   `json:"tls,omitempty"`
	PEDID        int    `json:"pedId,omitempty"`
	PEDInitiated bool   `json:"pedInitiated,omitempty"`
	PEDSerial    string `json:"pedSerial,omitempty"`
	PEDFirmware  string `json:"pedFirmware,omitempty"`
	Software     bool   `json:"software,omitempty"`
	Since        int64  `json:"since,omitempty"`
	Reason       string `json:"reason,omitempty"`     // why the last connection ended
	WaitingFor   string `json:"waitingFor,omitempty"` // the PEDserver whose return brings the PED back
	Default      string `json:"default,omitempty"`
	AssignedID   int    `json:"assignedId,omitempty"`
}

// LinkStatus is one link that a PEDserver has made.
type LinkStatus struct {
	PEDServer string `json:"pedserver"`
	Address   string `json:"address"`
	Software  string `json:"software"`
	Time      int64  `json:"time"`
	Slot      int    `json:"slot,omitempty"` // that has its PED
}

// Status returns the state of this moment. It waits for nothing.
func (c *Client) Status() Status {
	st := Status{UpTime: seconds(time.Since(c.started)), Callers: c.places.taken(), Listening: []string{}, Slots: []SlotStatus{}, Links: []LinkStatus{}, Ceremonies: []Durations{}}
	st.IdleTimeout = seconds(c.net.clock.get().Idle)
	if id := c.net.secure.own(); id != nil {
		st.Identity = id.CommonName
	}
	holders := map[*line]int{}
	for _, s := range c.slots {
		st.Slots = append(st.Slots, s.status())
		if h := s.link(); h != nil {
			holders[h.line] = s.num
		}
	}
	for _, l := range c.hub.all() {
		st.Links = append(st.Links, LinkStatus{PEDServer: l.peer, Address: l.conn.RemoteAddr().String(), Software: l.software,
			Time: seconds(time.Since(l.since)), Slot: holders[l]})
	}
	c.counts.snapshot(&st)
	slices.SortFunc(st.Ceremonies, func(a, b Durations) int {
		return cmp.Or(strings.Compare(a.Command, b.Command), strings.Compare(a.Result, b.Result))
	})
	return st
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func (s *slot) status() SlotStatus {
	i := s.hsm.Info()
	st := SlotStatus{Slot: s.num, File: s.path, Serial: i.Serial, Label: i.Label, Firmware: i.Firmware, Auth: i.Auth.String(), State: "not initialized",
		RPV: i.RPVInitialized, Ceremony: i.Ceremony, Connected: i.PED.Connected, Proven: i.PED.Session, WaitingFor: s.regaining()}
	switch {
	case i.Zeroized:
		st.State = "zeroized"
	case i.Initialized:
		st.State = "initialized"
	}
	if i.Ceremony != "" {
		st.CeremonyTime = seconds(time.Since(i.CeremonySince))
	}
	if t := s.settings.get(); t.Host != "" {
		st.Default = t.String() + withTLS(t.TLS)
	}
	if p, ok := s.client.ids().Assigned(i.Serial); ok {
		st.AssignedID = p.ID
	}
	h, w := s.current()
	switch {
	case h != nil && i.PED.Connected:
		if l, ok := h.(*hold); ok {
			st.PEDServer, st.Name, st.TLS = l.line.where, l.line.peer, l.line.tls != nil
		}
		st.Local, st.PEDDevice, st.PEDID, st.PEDInitiated = w.local(), w.device, w.id, w.parked
		said := h.claims()
		st.PEDSerial, st.PEDFirmware, st.Software = said.Serial, said.Firmware, said.Software
		if i.PED.Session {
			st.PEDSerial, st.PEDFirmware = i.PED.Serial, i.PED.Firmware
		}
		st.Since = seconds(time.Since(i.PED.Since))
	case !i.PED.Connected:
		if why := s.ended(); why != nil {
			st.Reason = why.Msg
		}
	}
	return st
}

// Show prints the status in the manner of pedserver's.
func (st Status) Show(w io.Writer) {
	// Root may ask the pedclient of any user, which can say whatever it likes.
	p := func(format string, args ...any) { fmt.Fprintln(w, cmdline.Printable(fmt.Sprintf(format, args...))) }
	p("Client Information:")
	p("  Hostname:                %s", st.Hostname)
	p("  Software Version:        %s", st.Version)
	if st.Service != "" {
		p("  Service:                 %s", st.Service)
	}
	p("  HSM Socket:              %s", st.Socket)
	p("  Log File:                %s", st.LogFile)
	if len(st.Listening) > 0 {
		p("  Listening For PEDserver: %s", strings.Join(st.Listening, ", "))
	}
	if st.Identity != "" {
		p("  Certificate Name:        %s", st.Identity)
	}
	p("  Client Up Time:          %d (secs)", st.UpTime)
	p("  Idle Timeout Value:      %d (secs)", st.IdleTimeout)
	p("  Local Callers:           %d", st.Callers)
	for _, l := range st.Links {
		use := "free"
		if l.Slot != 0 {
			use = fmt.Sprintf("slot %d", l.Slot)
		}
		p("  PEDserver Connected:     %s, %s, %d (secs), %s", l.PEDServer, l.Address, l.Time, use)
	}
	for _, s := range st.Slots {
		p("")
		s.show(p)
	}
	p("")
	p("Show command passed.")
}

func (s SlotStatus) show(p func(string, ...any)) {
	orNone := func(v string) string {
		if v == "" {
			return "(none)"
		}
		return v
	}
	rpv := "not initialized"
	if s.RPV {
		rpv = "initialized"
	}
	p("Slot %d:", s.Slot)
	p("  HSM Serial Number:       %s", s.Serial)
	p("  HSM Label:               %s", orNone(s.Label))
	p("  HSM Firmware Version:    %s", s.Firmware)
	p("  HSM State:               %s", s.State)
	p("  HSM State File:          %s", s.File)
	p("  Remote PED Vector:       %s", rpv)
	if s.Ceremony != "" {
		p("  Running:                 %s, %d (secs)", s.Ceremony, s.CeremonyTime)
	}
	p("  Default PEDserver:       %s", orNone(s.Default))
	if s.AssignedID != 0 {
		p("  Assigned PED ID:         %d", s.AssignedID)
	}
	if !s.Connected {
		p("  Ped2 Connection Status:  Disconnected")
		if s.Reason != "" {
			p("  Ped2 Disconnect Reason:  %s", s.Reason)
		}
		if s.WaitingFor != "" {
			p("  Ped2 Comes Back With:    %s", s.WaitingFor)
		}
		return
	}
	p("  Ped2 Connection Status:  Connected")
	proof := "not yet"
	switch {
	case s.Local:
		p("  Local PED:               %s", s.PEDDevice)
		proof = "by its cable"
	case s.Proven:
		proof = "yes"
	}
	if !s.Local {
		p("  PEDserver:               %s", s.PEDServer+s.link())
	}
	p("  PED Serial Number:       %s", orNone(s.PEDSerial))
	p("  PED Firmware Version:    %s", orNone(s.PEDFirmware))
	p("  PED Proved Itself:       %s", proof)
	if s.Software {
		p("  Ped2 Device:             SOFTWARE PED")
	}
	p("  Connection Time:         %d (secs)", s.Since)
}

// link says how the slot is connected.
func (s SlotStatus) link() string {
	text := ""
	if s.Name != "" && !s.PEDInitiated {
		text = ", " + s.Name
	}
	text += withTLS(s.TLS)
	if s.PEDID != 0 {
		text += fmt.Sprintf(", PED ID %d", s.PEDID)
	}
	if s.PEDInitiated {
		text += ", PED-initiated"
	}
	return text
}
