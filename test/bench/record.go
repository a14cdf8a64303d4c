package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"hash"
	"testing"

	"openped/protocol/channel"
)

const (
	payloadSize = 16 << 10
	perRun      = 64                       // records in each direction in one run
	recordBytes = 2 * perRun * payloadSize // payload of a run
)

var errRecord = errors.New("payload has changed on its way")

// records is a live session and its opponent.
type records struct {
	hsm, ped *channel.Session
	payload  []byte
	rec, out []byte // buffers, used again and again
	uv, vu   *plainDirection
}

func (s *setup) records() (*records, error) {
	session, err := s.run(s.pedVerifier(), s.hsmVerifier())
	if err != nil {
		return nil, err
	}
	r := &records{hsm: session.HSM, ped: session.PED, payload: make([]byte, payloadSize),
		rec: make([]byte, 0, channel.RecordSize(payloadSize)), out: make([]byte, 0, channel.RecordSize(payloadSize))}
	r.uv, err = newPlainDirection()
	if err != nil {
		return nil, err
	}
	r.vu, err = newPlainDirection()
	return r, err
}

// channel seals and opens perRun records of payloadSize in each direction, into
// buffers of the caller (AppendSeal, AppendOpen).
func (r *records) channel() error {
	for range perRun {
		if err := r.carry(r.hsm, r.ped); err != nil {
			return err
		}
		if err := r.carry(r.ped, r.hsm); err != nil {
			return err
		}
	}
	return nil
}

func (r *records) carry(from, to *channel.Session) error {
	rec, err := from.AppendSeal(r.rec, r.payload)
	if err != nil {
		return err
	}
	_, out, err := to.AppendOpen(r.out, rec)
	if err == nil && len(out) != len(r.payload) {
		err = errRecord
	}
	return err
}

// plain does to the same payloads, in both directions, what no protection of
// this kind can do without: AES-256-CTR from the payload into a buffer followed
// by HMAC-SHA-512 over that, and at the far end HMAC-SHA-512, compared, followed
// by AES-256-CTR into another buffer. Keys are expanded beforehand, as a
// session's are. Headers, padding and limits are not in it.
func (r *records) plain() error {
	for range perRun {
		if err := r.uv.carry(r); err != nil {
			return err
		}
		if err := r.vu.carry(r); err != nil {
			return err
		}
	}
	return nil
}

type plainDirection struct {
	block cipher.Block
	mac   hash.Hash
	n     uint64
	tag   [2][sha512.Size]byte
}

func newPlainDirection() (*plainDirection, error) {
	block, err := aes.NewCipher(make([]byte, 32))
	return &plainDirection{block: block, mac: hmac.New(sha512.New, make([]byte, 64))}, err
}

func (d *plainDirection) carry(r *records) error {
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[:], d.n)
	d.n++
	rec, out := r.rec[:payloadSize], r.out[:payloadSize]
	cipher.NewCTR(d.block, iv[:]).XORKeyStream(rec, r.payload)
	d.sum(rec, &d.tag[0])
	d.sum(rec, &d.tag[1])
	if subtle.ConstantTimeCompare(d.tag[0][:], d.tag[1][:]) != 1 {
		return errRecord
	}
	cipher.NewCTR(d.block, iv[:]).XORKeyStream(out, rec)
	return nil
}

func (d *plainDirection) sum(data []byte, tag *[sha512.Size]byte) {
	d.mac.Reset()
	d.mac.Write(data)
	d.mac.Sum(tag[:0])
}

// allocs is the number of allocations for one record with buffers of the
// caller: for sealing it or for opening it, whichever is larger. Seal and Open,
// which make the buffer themselves, need one more.
func (r *records) allocs() (float64, error) {
	const runs = 50
	var failed error
	var recs [runs + 1][]byte // AllocsPerRun warms up once
	for i := range recs {
		recs[i] = make([]byte, 0, channel.RecordSize(payloadSize))
	}
	i := 0
	sealing := testing.AllocsPerRun(runs, func() {
		rec, err := r.hsm.AppendSeal(recs[i], r.payload)
		if err != nil {
			failed = err
		}
		recs[i] = rec
		i++
	})
	i = 0
	opening := testing.AllocsPerRun(runs, func() {
		if _, _, err := r.ped.AppendOpen(r.out, recs[i]); err != nil {
			failed = err
		}
		i++
	})
	return max(sealing, opening), failed
}
