package rpv

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"

	"openped/internal/wire"
	"openped/protocol"
)

// A key container, all integers big-endian:
//
//	offset  size  field
//	0       8     magic "OPEDKEY", 0
//	8       2     version, 1
//	10      4     length L of the fields, at most 262144
//	14      L     fields
//	14+L    64    SHA-512 of all bytes before it
//
// A field is tag[2] length[4] value. Tags ascend, none comes twice. A reader
// keeps fields that it does not know when it rewrites the container, unless bit
// 15 of the tag is set: then it must refuse the container as newer.
//
//	tag  size  field of a key
//	1    8     serial, not zero
//	2    any   current set: fields of a set
//	3    any   pending set: fields of a set
//
//	tag  size    field of a set
//	1    16      set id, not zero
//	2    4       type[1] index[1] m[1] n[1]
//	3    25      PIN: salt[16] time[4] memory KiB[4] threads[1]; absent without PIN
//	4    64      share, masked
//	5    64·k    fingerprints of the issuing keys served, k ≤ 16
//	6    66      RPK private key; types other than RPK have no fields 6 and 7
//	7    any     RPK certificates: issuer fingerprint[64] length[2] DER, up to 16
//	8    72·k    start counters: issuer fingerprint[64] counter[8], ascending
const (
	magic      = "OPEDKEY\x00"
	version    = 1
	headerSize = len(magic) + 2 + 4
	maxFields  = 256 << 10
	// MaxContainer is the largest size of a container in bytes.
	MaxContainer = headerSize + maxFields + sha512.Size

	tagSerial, tagCurrent, tagPending         = 1, 2, 3
	tagID, tagShare, tagPIN, tagMasked        = 1, 2, 3, 4
	tagIssuers, tagRPK, tagCerts, tagCounters = 5, 6, 7, 8

	tagCritical = 1 << 15
)

// What Decode finds wrong with a container.
var (
	ErrForeign   = errors.New("not a PED key file")
	ErrTruncated = errors.New("PED key file is cut short")
	ErrNewer     = errors.New("PED key file was written by a newer version")
	ErrDamaged   = errors.New("PED key file is damaged")
)

// field is a field that this version does not know.
type field struct {
	tag   uint16
	value []byte
}

func cloneFields(f []field) []field {
	c := make([]field, len(f))
	for i := range f {
		c[i] = field{f[i].tag, slices.Clone(f[i].value)}
	}
	return c
}

// joinFields encodes fields in the order of their tags, those without a value
// left out. It allocates once, so that no copies of secrets stay behind.
func joinFields(known map[uint16][]byte, unknown []field) []byte {
	all := slices.Clone(unknown)
	for tag, v := range known {
		if len(v) > 0 {
			all = append(all, field{tag, v})
		}
	}
	slices.SortFunc(all, func(a, b field) int { return int(a.tag) - int(b.tag) })
	size := 0
	for _, f := range all {
		size += 6 + len(f.value)
	}
	w := wire.NewWriter(size)
	for _, f := range all {
		w.U16(f.tag).U32(uint32(len(f.value))).Raw(f.value)
	}
	return w.Bytes()
}

// getFields splits b into the fields up to last and the others.
func getFields(b []byte, last uint16) (known map[uint16]*wire.Reader, unknown []field, err error) {
	r := wire.NewReader(b)
	known = make(map[uint16]*wire.Reader)
	for prev := -1; r.Len() > 0; {
		tag, n := r.U16(), r.U32()
		if n > maxFields {
			return nil, nil, ErrDamaged
		}
		v := r.Bytes(int(n))
		if r.Err() != nil || int(tag) <= prev {
			return nil, nil, ErrDamaged
		}
		prev = int(tag)
		switch {
		case tag >= 1 && tag <= last && n == 0:
			return nil, nil, ErrDamaged
		case tag >= 1 && tag <= last:
			known[tag] = wire.NewReader(v)
		case tag&tagCritical != 0:
			return nil, nil, ErrNewer
		default:
			unknown = append(unknown, field{tag, bytes.Clone(v)})
		}
	}
	return known, unknown, nil
}

// Encode returns the container of k. It contains the RPK private key and, on a
// key without PIN, the bare share: wipe it after use. It returns an error if k
// breaks the rules that Decode checks.
func (k *Key) Encode() ([]byte, error) {
	want := *k
	if want.setType(); want.Type != k.Type || k.Serial == (protocol.KeySerial{}) {
		return nil, fmt.Errorf("encode PED key: %w", ErrSet)
	}
	known := map[uint16][]byte{tagSerial: k.Serial[:]}
	for tag, s := range map[uint16]*Set{tagCurrent: k.Current, tagPending: k.Pending} {
		if s == nil {
			continue
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("encode PED key: %w", err)
		}
		known[tag] = s.encode()
		defer clear(known[tag])
	}
	fields := joinFields(known, k.unknown)
	defer clear(fields)
	if len(fields) > maxFields {
		return nil, fmt.Errorf("encode PED key: %w: too large", ErrSet)
	}
	w := wire.NewWriter(headerSize + len(fields) + sha512.Size)
	w.Raw([]byte(magic)).U16(version).U32(uint32(len(fields))).Raw(fields)
	sum := sha512.Sum512(w.Bytes())
	return w.Raw(sum[:]).Bytes(), nil
}

// Decode reads a container of at most MaxContainer bytes. Its errors are
// ErrForeign, ErrTruncated, ErrNewer and ErrDamaged; the last also covers
// parameters out of bounds. b is not kept.
func Decode(b []byte) (*Key, error) {
	n := min(len(b), len(magic))
	if string(b[:n]) != magic[:n] || len(b) > MaxContainer {
		return nil, ErrForeign
	}
	r := wire.NewReader(b)
	r.Bytes(len(magic))
	v := r.U16()
	if r.Err() != nil {
		return nil, ErrTruncated
	}
	if v != version {
		if v > version {
			return nil, ErrNewer
		}
		return nil, ErrForeign
	}
	length := r.U32()
	if r.Err() != nil {
		return nil, ErrTruncated
	}
	if length > maxFields {
		return nil, ErrDamaged
	}
	fields, sum := r.Bytes(int(length)), r.Bytes(sha512.Size)
	if r.Err() != nil {
		return nil, ErrTruncated
	}
	if r.Done() != nil {
		return nil, ErrDamaged
	}
	if got := sha512.Sum512(b[:headerSize+int(length)]); !bytes.Equal(got[:], sum) {
		return nil, ErrDamaged
	}
	return decodeKey(fields)
}

// decodeKey reads the fields of a key. Its errors are ErrDamaged and ErrNewer.
func decodeKey(b []byte) (_ *Key, err error) {
	k := new(Key)
	defer func() {
		if err != nil {
			k.Destroy()
		}
	}()
	known, unknown, err := getFields(b, tagPending)
	if err != nil {
		return nil, err
	}
	k.unknown = unknown
	r := known[tagSerial]
	if r == nil {
		return nil, ErrDamaged
	}
	r.Copy(k.Serial[:])
	if r.Done() != nil || k.Serial == (protocol.KeySerial{}) {
		return nil, ErrDamaged
	}
	if r := known[tagCurrent]; r != nil {
		if k.Current, err = decodeSet(r.Bytes(r.Len())); err != nil {
			return nil, err
		}
	}
	if r := known[tagPending]; r != nil {
		if k.Pending, err = decodeSet(r.Bytes(r.Len())); err != nil {
			return nil, err
		}
	}
	k.setType()
	return k, nil
}
