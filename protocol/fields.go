package protocol

import "openped/internal/wire"

// The readers below fail the whole message when a value is outside its range.

func need(r *wire.Reader, ok bool) {
	if !ok {
		r.Fail()
	}
}

// readCeremony reads an id that must not be zero.
func readCeremony(r *wire.Reader) (id CeremonyID) {
	r.Copy(id[:])
	need(r, !id.IsZero())
	return id
}

func readSetID(r *wire.Reader) (id SetID) {
	r.Copy(id[:])
	return id
}

func readKeySerial(r *wire.Reader) (id KeySerial) {
	r.Copy(id[:])
	return id
}

// enum reads one byte that must be a value of its enumeration.
func enum[T interface {
	~uint8
	Valid() bool
}](r *wire.Reader) T {
	v := T(r.U8())
	need(r, v.Valid())
	return v
}

func readTimeout(r *wire.Reader) uint16 {
	v := r.U16()
	need(r, v >= 1 && v <= MaxTimeoutSec)
	return v
}

// readShape reads index, M and N of one share: 1 ≤ index ≤ N, 1 ≤ M ≤ N ≤ 16.
func readShape(r *wire.Reader) (index, m, n uint8) {
	index, m, n = r.U8(), r.U8(), r.U8()
	need(r, goodMN(m, n) && index >= 1 && index <= n)
	return index, m, n
}

func goodMN(m, n uint8) bool { return m >= 1 && m <= n && n <= MaxShares }

// readVar copies a field of at most max bytes; an empty one is nil.
func readVar(r *wire.Reader, max int) []byte { return append([]byte(nil), r.Var16(max)...) }

// readVar1 is readVar for a field that must not be empty.
func readVar1(r *wire.Reader, max int) []byte {
	b := readVar(r, max)
	need(r, len(b) > 0)
	return b
}
