package pedclient

import (
	"fmt"
	"io"
	"time"

	"openped/internal/cmdline"
)

// Status is what `pedclient -mode show` tells. Times are in whole seconds.
type Status struct {
	Hostname string       `json:"hostname"`
	Version  string       `json:"version"`
	PID      int          `json:"pid"`
	Socket   string       `json:"socket"`
	LogFile  string       `json:"logFile"`
	UpTime   int64        `json:"upTime"`
	Callers  int          `json:"callers"`
	Slots    []SlotStatus `json:"slots"`
}

// SlotStatus is one slot's part of Status.
type SlotStatus struct {
	Slot        int    `json:"slot"`
	File        string `json:"file"`
	Serial      string `json:"serial"`
	Label       string `json:"label"`
	Firmware    string `json:"firmware"`
	State       string `json:"state"`
	RPV         bool   `json:"rpv"`
	Ceremony    string `json:"ceremony,omitempty"` // what is running
	Connected   bool   `json:"connected"`
	Proven      bool   `json:"proven"` // the PED, too, has proved itself
	PEDServer   string `json:"pedserver,omitempty"`
	PEDSerial   string `json:"pedSerial,omitempty"`
	PEDFirmware string `json:"pedFirmware,omitempty"`
	Software    bool   `json:"software,omitempty"`
	Since       int64  `json:"since,omitempty"`
	Reason      string `json:"reason,omitempty"` // why the last connection ended
	Default     string `json:"default,omitempty"`
}

// Status returns the state of this moment. It waits for nothing.
func (c *Client) Status() Status {
	c.mu.Lock()
	st := Status{UpTime: int64(time.Since(c.started) / time.Second), Callers: c.callers}
	c.mu.Unlock()
	for _, s := range c.slots {
		st.Slots = append(st.Slots, s.status())
	}
	return st
}

func (s *slot) status() SlotStatus {
	i := s.hsm.Info()
	st := SlotStatus{Slot: s.num, File: s.path, Serial: i.Serial, Label: i.Label, Firmware: i.Firmware, State: "not initialized",
		RPV: i.RPVInitialized, Ceremony: i.Ceremony, Connected: i.PED.Connected, Proven: i.PED.Session}
	switch {
	case i.Zeroized:
		st.State = "zeroized"
	case i.Initialized:
		st.State = "initialized"
	}
	if host, port := s.settings.get(); host != "" {
		st.Default = fmt.Sprintf("%s port %d", host, port)
	}
	l, _, _ := s.current()
	switch {
	case l != nil && i.PED.Connected:
		st.PEDServer, st.Software = l.where, l.ped.Software
		st.PEDSerial, st.PEDFirmware = l.ped.Serial, l.ped.Firmware
		if i.PED.Session {
			st.PEDSerial, st.PEDFirmware = i.PED.Serial, i.PED.Firmware
		}
		st.Since = int64(time.Since(i.PED.Since) / time.Second)
	case !i.PED.Connected:
		if why := s.ended(); why != nil {
			st.Reason = why.Msg
		}
	}
	return st
}

// Show prints the status in the manner of pedserver's.
func (st Status) Show(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("Client Information:")
	p("  Hostname:                %s", st.Hostname)
	p("  Software Version:        %s", st.Version)
	p("  HSM Socket:              %s", st.Socket)
	p("  Log File:                %s", st.LogFile)
	p("  Client Up Time:          %d (secs)", st.UpTime)
	p("  Local Callers:           %d", st.Callers)
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
		return cmdline.Printable(v)
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
	p("  HSM State File:          %s", cmdline.Printable(s.File))
	p("  Remote PED Vector:       %s", rpv)
	if s.Ceremony != "" {
		p("  Running:                 %s", s.Ceremony)
	}
	p("  Default PEDserver:       %s", orNone(s.Default))
	if !s.Connected {
		p("  Ped2 Connection Status:  Disconnected")
		if s.Reason != "" {
			p("  Ped2 Disconnect Reason:  %s", cmdline.Printable(s.Reason))
		}
		return
	}
	p("  Ped2 Connection Status:  Connected")
	p("  PEDserver:               %s", cmdline.Printable(s.PEDServer))
	proof := "not yet"
	if s.Proven {
		proof = "yes"
	}
	p("  PED Serial Number:       %s", orNone(s.PEDSerial))
	p("  PED Firmware Version:    %s", orNone(s.PEDFirmware))
	p("  PED Proved Itself:       %s", proof)
	if s.Software {
		p("  Ped2 Device:             SOFTWARE PED")
	}
	p("  Connection Time:         %d (secs)", s.Since)
}
