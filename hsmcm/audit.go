package hsmcm

import (
	"context"

	"openped/protocol/hsmapi"
)

func auditShow(ctx context.Context, s *session, o *options) error {
	in := slotFields(o)
	if o.from > 0 {
		in = in.AddU64(hsmapi.TagFrom, uint64(o.from))
	}
	if o.limit > 0 {
		in = in.AddU32(hsmapi.TagLimit, uint32(o.limit))
	}
	f, err := s.do(ctx, hsmapi.AuditShow, in, nil)
	if err != nil {
		return err
	}
	if n, ok := f.U64(hsmapi.TagCount); ok {
		s.printf("  %d audit records\n", n)
	}
	s.printf(resultOK)
	return nil
}

func auditVerify(ctx context.Context, s *session, o *options) error {
	f, err := s.do(ctx, hsmapi.AuditVerify, slotFields(o), nil)
	if err != nil {
		return err
	}
	if n, ok := f.U64(hsmapi.TagCount); ok {
		s.printf("  The chain of %d audit records is whole.\n", n)
	}
	s.printf(resultOK)
	return nil
}
