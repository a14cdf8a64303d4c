package rpv

import (
	"bytes"
	"maps"
	"slices"

	"openped/internal/secret"
	"openped/internal/wire"
	"openped/protocol"
)

// encode returns the fields of a set.
func (s *Set) encode() []byte {
	known := map[uint16][]byte{
		tagID:     s.ID[:],
		tagShare:  {uint8(s.Type), s.Index, s.M, s.N},
		tagMasked: s.Masked[:],
	}
	if s.HasPIN {
		known[tagPIN] = new(wire.Writer).Raw(s.Salt[:]).U32(s.Argon.Time).U32(s.Argon.MemoryKiB).U8(s.Argon.Threads).Bytes()
	}
	for _, fp := range s.Issuers {
		known[tagIssuers] = append(known[tagIssuers], fp[:]...)
	}
	if s.RPK != nil {
		known[tagRPK] = s.RPK.Private.Bytes()
		w := new(wire.Writer)
		for _, c := range s.RPK.Certs {
			w.Raw(c.Issuer[:]).Var16(c.DER)
		}
		known[tagCerts] = w.Bytes()
	}
	if len(s.Counters) > 0 {
		w := new(wire.Writer)
		for _, fp := range slices.SortedFunc(maps.Keys(s.Counters), func(a, b Fingerprint) int { return bytes.Compare(a[:], b[:]) }) {
			w.Raw(fp[:]).U64(s.Counters[fp])
		}
		known[tagCounters] = w.Bytes()
	}
	return joinFields(known, s.unknown)
}

// decodeSet reads the fields of a set. Its errors are ErrDamaged and ErrNewer.
func decodeSet(b []byte) (_ *Set, err error) {
	s := &Set{Counters: map[Fingerprint]uint64{}}
	defer func() {
		if err != nil {
			s.Destroy()
		}
	}()
	known, unknown, err := getFields(b, tagCounters)
	if err != nil {
		return nil, err
	}
	s.unknown = unknown
	if known[tagID] == nil || known[tagShare] == nil || known[tagMasked] == nil {
		return nil, ErrDamaged
	}
	known[tagID].Copy(s.ID[:])
	r := known[tagShare]
	s.Type, s.Index, s.M, s.N = protocol.KeyType(r.U8()), r.U8(), r.U8(), r.U8()
	known[tagMasked].Copy(s.Masked[:])
	if r := known[tagPIN]; r != nil {
		s.HasPIN = true
		r.Copy(s.Salt[:])
		s.Argon = ArgonParams{Time: r.U32(), MemoryKiB: r.U32(), Threads: r.U8()}
	}
	if r := known[tagIssuers]; r != nil {
		for r.Len() > 0 && len(s.Issuers) < MaxIssuers {
			s.Issuers = append(s.Issuers, Fingerprint{})
			r.Copy(s.Issuers[len(s.Issuers)-1][:])
		}
	}
	if r := known[tagRPK]; r != nil {
		if r.Len() != RPKKeySize {
			return nil, ErrDamaged
		}
		s.RPK = &RPK{Private: secret.Copy(r.Bytes(RPKKeySize))}
	}
	if r := known[tagCerts]; r != nil {
		if s.RPK == nil {
			return nil, ErrDamaged
		}
		for r.Len() > 0 && len(s.RPK.Certs) < MaxIssuers {
			var c RPKCert
			r.Copy(c.Issuer[:])
			c.DER = bytes.Clone(r.Var16(MaxRPKCert))
			s.RPK.Certs = append(s.RPK.Certs, c)
		}
	}
	if r := known[tagCounters]; r != nil {
		for prev := (Fingerprint{}); r.Len() > 0 && len(s.Counters) < MaxIssuers; {
			var fp Fingerprint
			r.Copy(fp[:])
			if len(s.Counters) > 0 && bytes.Compare(prev[:], fp[:]) >= 0 {
				return nil, ErrDamaged
			}
			prev, s.Counters[fp] = fp, r.U64()
		}
	}
	for _, r := range known {
		if r.Done() != nil {
			return nil, ErrDamaged
		}
	}
	if s.check() != nil {
		return nil, ErrDamaged
	}
	return s, nil
}
