package hsmcm

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

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
	in := slotFields(o)
	if o.known.seq > 0 {
		in = in.AddU64(hsmapi.TagRecord, o.known.seq).AddText(hsmapi.TagHash, o.known.hash)
	}
	f, err := s.do(ctx, hsmapi.AuditVerify, in, nil)
	if err != nil {
		return err
	}
	if n, ok := f.U64(hsmapi.TagCount); ok {
		s.printf("  The chain of %d audit records is whole.\n", n)
	}
	if o.known.seq > 0 {
		s.printf("  Record %d is the one given with -last.\n", o.known.seq)
	}
	n, _ := f.U64(hsmapi.TagRecord)
	if hash, ok := f.Text(hsmapi.TagHash); ok && n > 0 {
		s.printf("  Last record, to keep elsewhere and to give with -last:\n  %d:%s\n", n, printable(hash))
	}
	s.printf(resultOK)
	return nil
}

// knownRecord is an audit record that a person has kept a copy of.
type knownRecord struct {
	seq  uint64
	hash string
}

// recordFlag takes what audit verify prints: 12:3f9c….
func recordFlag(dst *knownRecord) func(string) error {
	return func(v string) error {
		number, hash, _ := strings.Cut(v, ":")
		seq, err := strconv.ParseUint(number, 10, 64)
		raw, herr := hex.DecodeString(hash)
		if err != nil || seq == 0 || herr != nil || len(raw) != 64 {
			return errors.New("give number and hash of a record as audit verify printed them, as 12:3f9c…")
		}
		*dst = knownRecord{seq, strings.ToLower(hash)}
		return nil
	}
}
