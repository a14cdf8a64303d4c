package hsmcm

import (
	"context"
	"fmt"

	"openped/protocol"
	"openped/protocol/hsmapi"
)

// slotFields begins a request that acts on a slot.
func slotFields(o *options) hsmapi.Fields {
	return hsmapi.Fields{}.AddU32(hsmapi.TagSlot, uint32(o.slot))
}

// entry prints one line of a description.
func (s *session) entry(name, value string) {
	s.printf("  %-26s %s\n", name+" ->", printable(value))
}

func slotList(ctx context.Context, s *session, _ *options) error {
	f, err := s.do(ctx, hsmapi.SlotList, nil, nil)
	if err != nil {
		return err
	}
	slots := f.Groups(hsmapi.TagSlot)
	for _, slot := range slots {
		s.describeSlot(slot)
		s.printf("\n")
	}
	if len(slots) == 0 {
		s.printf("  No slots: start pedclient with -hsm <file>\n")
	}
	s.printf("  Current Slot Id: %d\n", s.slot)
	s.printf(resultOK)
	return nil
}

// describeSlot prints what is known of a slot's HSM.
func (s *session) describeSlot(f hsmapi.Fields) {
	if n, ok := f.U32(hsmapi.TagSlot); ok {
		s.entry("Slot Id", fmt.Sprint(n))
	}
	for _, t := range []struct {
		name string
		tag  hsmapi.Tag
	}{
		{"Label", hsmapi.TagLabel},
		{"Serial Number", hsmapi.TagSerial},
		{"Model", hsmapi.TagDriver},
		{"Firmware Version", hsmapi.TagFirmware},
	} {
		if v, ok := f.Text(t.tag); ok && v != "" {
			s.entry(t.name, v)
		}
	}
	switch v, _ := f.Text(hsmapi.TagAuth); v {
	case "ped":
		s.entry("Authentication", "PED keys")
	case "password":
		s.entry("Authentication", "password: no Remote PED")
	}
	if v, ok := f.U8(hsmapi.TagState); ok {
		s.entry("HSM Status", hsmStatus(hsmapi.State(v)))
	} else if f.Has(hsmapi.TagInitialized) {
		status := hsmapi.StateUninitialized
		if f.Bool(hsmapi.TagInitialized) {
			status = hsmapi.StateInitialized
		}
		s.entry("HSM Status", hsmStatus(status))
	}
}

func hsmStatus(st hsmapi.State) string {
	switch st {
	case hsmapi.StateUninitialized:
		return "Not initialized"
	case hsmapi.StateInitialized:
		return "OK"
	case hsmapi.StateZeroized:
		return "Zeroized"
	}
	return st.String()
}

func slotSet(ctx context.Context, s *session, o *options) error {
	f, err := s.do(ctx, hsmapi.SlotInfo, slotFields(o), nil)
	if err != nil {
		return err
	}
	s.slot = o.slot
	label, _ := f.Text(hsmapi.TagLabel)
	if label == "" {
		label = "not initialized"
	}
	s.printf("  Current Slot Id: %d (%s)\n", s.slot, printable(label))
	if s.oneShot {
		s.printf("The choice ends with this command: use the prompt, or give -slot %d to each command.\n", s.slot)
	}
	s.printf(resultOK)
	return nil
}

// roles prints the roles the caller is logged in with.
func roles(f hsmapi.Fields) string {
	text := ""
	for _, r := range f.U8s(hsmapi.TagLoggedIn) {
		if text != "" {
			text += ", "
		}
		text += protocol.Role(r).String()
	}
	if text == "" {
		return "none"
	}
	return text
}
