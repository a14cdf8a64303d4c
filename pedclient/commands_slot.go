package pedclient

import (
	"fmt"
	"time"

	"openped/hsm"
	"openped/protocol/hsmapi"
)

func (c *call) slotList() (hsmapi.Fields, error) {
	var f hsmapi.Fields
	for _, s := range c.w.client.slots {
		f = append(f, s.identity(s.hsm.Info())...)
	}
	return f, nil
}

// identity begins a slot's group of fields.
func (s *slot) identity(i hsm.Info) hsmapi.Fields {
	state := hsmapi.StateUninitialized
	switch {
	case i.Zeroized:
		state = hsmapi.StateZeroized
	case i.Initialized:
		state = hsmapi.StateInitialized
	}
	return hsmapi.Fields{}.AddU32(hsmapi.TagSlot, uint32(s.num)).AddText(hsmapi.TagLabel, i.Label).AddText(hsmapi.TagSerial, i.Serial).
		AddText(hsmapi.TagDriver, "virtual").AddText(hsmapi.TagFirmware, i.Firmware).AddText(hsmapi.TagAuth, i.Auth.String()).AddU8(hsmapi.TagState, uint8(state)).
		AddBool(hsmapi.TagInitialized, i.Initialized)
}

func (c *call) slotInfo() (hsmapi.Fields, error) {
	i := c.slot.hsm.Info()
	f := c.slot.identity(i).AddBool(hsmapi.TagRPVInitialized, i.RPVInitialized).AddU32(hsmapi.TagAttempts, uint32(max(0, i.SOAttemptsLeft)))
	c.w.mu.Lock()
	for r, g := range c.w.grants[c.slot] {
		if g.Valid() {
			f = f.AddU8(hsmapi.TagLoggedIn, uint8(r))
		}
	}
	c.w.mu.Unlock()
	f = append(f, c.slot.connection(i.PED)...)
	if i.Ceremony != "" {
		f = f.AddText(hsmapi.TagText, fmt.Sprintf("%s%s has been running for %d s.", i.Ceremony, hsm.ByCaller(i.CeremonyCaller), int(time.Since(i.CeremonySince)/time.Second)))
	}
	return f, nil
}

// connection describes the way to the PED.
func (s *slot) connection(p hsm.PEDInfo) hsmapi.Fields {
	f := hsmapi.Fields{}.AddBool(hsmapi.TagConnected, p.Connected)
	h, w := s.current()
	if !p.Connected || h == nil {
		return f
	}
	said := h.claims()
	f = f.AddU32(hsmapi.TagSeconds, uint32(max(0, time.Since(p.Since)/time.Second))).AddBool(hsmapi.TagSoftware, said.Software)
	if l, ok := h.(*hold); ok {
		f = append(f, l.line.describe()...)
		f = f.AddBool(hsmapi.TagPEDInitiated, w.parked)
	} else {
		f = f.AddBool(hsmapi.TagLocal, true).AddText(hsmapi.TagDevice, w.device)
	}
	if w.id != 0 {
		f = f.AddU32(hsmapi.TagPEDID, uint32(w.id))
	}
	serial, firmware := p.Serial, p.Firmware
	if !p.Session { // until the channel is up nobody has proved it
		serial, firmware = said.Serial, said.Firmware
	}
	return f.AddText(hsmapi.TagPEDSerial, serial).AddText(hsmapi.TagPEDFirmware, firmware)
}

// describe says which PEDserver the line leads to.
func (l *line) describe() hsmapi.Fields {
	f := hsmapi.Fields{}.AddText(hsmapi.TagHost, l.target.Host).AddBool(hsmapi.TagTLS, l.tls != nil)
	if l.target.Port != 0 {
		f = f.AddU32(hsmapi.TagPort, uint32(l.target.Port))
	}
	if l.peer != "" {
		f = f.AddText(hsmapi.TagPEDServer, l.peer)
	}
	return f
}

func (c *call) pedShow() (hsmapi.Fields, error) {
	i := c.slot.hsm.Info()
	f := append(hsmapi.Fields{}.AddU32(hsmapi.TagSlot, uint32(c.slot.num)), c.slot.connection(i.PED)...)
	for _, t := range c.slot.remarks(i) {
		f = f.AddText(hsmapi.TagText, t)
	}
	return f, nil
}

// remarks are lines about the way to the PED.
func (s *slot) remarks(i hsm.Info) []string {
	var out []string
	if h, w := s.current(); h != nil && i.PED.Connected {
		said := "says the PEDserver"
		switch {
		case w.local():
			out = append(out, "The PED is a local one: no orange key is needed.")
			said = "says the PED"
		case i.PED.Session:
			out = append(out, "The PED has proved itself ("+i.PED.Mode.String()+").")
		default:
			out = append(out, "The PED has not proved itself yet: it will be asked at the first command that needs it.")
		}
		if st := h.State(); st != nil {
			out = append(out, fmt.Sprintf("PED mode %v, %d orange keys cached, %s.", st.Mode, st.RPKCount(), said))
		}
	} else if why := s.ended(); why != nil {
		out = append(out, "Last connection: "+why.Msg+"; "+why.Hint+".")
	}
	if from := s.regaining(); from != "" {
		out = append(out, "The PED is connected again when PEDserver "+from+" calls again.")
	}
	p, assigned := s.client.ids().Assigned(i.Serial)
	if assigned {
		out = append(out, fmt.Sprintf("PED ID %d is assigned to this HSM: %v%s.", p.ID, p.Target(), withTLS(p.TLS)))
	}
	called := s.client.hub.all()
	if t := s.settings.get(); t.Host != "" {
		out = append(out, fmt.Sprintf("Default PEDserver: %v%s (ped set).", t, withTLS(t.TLS)))
	} else if !assigned && len(called) == 0 {
		out = append(out, "No default PEDserver: set one with `ped set -ip <address>`.")
	}
	for _, l := range called {
		state := "free"
		if l.current() != nil {
			state = "in use"
		}
		out = append(out, fmt.Sprintf("PEDserver %s has called from %s: %s.", l.peer, l.target.Host, state))
	}
	return out
}

func withTLS(tls bool) string {
	if tls {
		return " with TLS"
	}
	return ""
}
