package hsmcm

import (
	"context"
	"fmt"

	"openped/protocol/hsmapi"
)

func hsmShowInfo(ctx context.Context, s *session, o *options) error {
	f, err := s.do(ctx, hsmapi.SlotInfo, slotFields(o), nil)
	if err != nil {
		return err
	}
	s.describeSlot(f)
	if f.Has(hsmapi.TagRPVInitialized) {
		v := "Not initialized"
		if f.Bool(hsmapi.TagRPVInitialized) {
			v = "Initialized"
		}
		s.entry("Remote PED Vector", v)
	}
	if n, ok := f.U32(hsmapi.TagAttempts); ok && n > 0 {
		s.entry("SO Login Attempts Left", fmt.Sprint(n))
	}
	s.entry("Roles Logged In", roles(f))
	s.describePED(f)
	for _, t := range f.Texts(hsmapi.TagText) {
		s.printf("  %s\n", printable(t))
	}
	s.printf(resultOK)
	return nil
}

func hsmInit(ctx context.Context, s *session, o *options) error {
	f := slotFields(o).AddText(hsmapi.TagLabel, o.label)
	if o.force {
		f = f.AddBool(hsmapi.TagForce, true)
	}
	if _, err := s.do(ctx, hsmapi.HsmInit, f, nil); err != nil {
		return err
	}
	s.printf(resultOK)
	return nil
}
