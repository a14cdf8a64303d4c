package channel

import (
	"bytes"
	"testing"

	"openped/internal/wire"
)

// Every decoder: no panic, no over-read, and what it takes encodes to the same
// bytes again.

func seedHello(exts []Extension) []byte {
	h := &hello{minVersion: 1, maxVersion: 1, mode: ModeRPV, serial: "1500123", label: "hsm", firmware: "7.7.0",
		point: make([]byte, PointSize), encapKey: make([]byte, encapKeySize), chain: [][]byte{{1}, {2, 3}}, exts: exts}
	return h.encode()
}

var seedExts = []Extension{{Type: extLiveSet, Value: make([]byte, 16)}, {Type: 9}}

func FuzzHello(f *testing.F) {
	f.Add(seedHello(nil))
	f.Add(seedHello(seedExts))
	f.Add(seedHello([]Extension{{Type: 1, Critical: true}}))
	f.Add(AlertRecord())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		if err == nil && !bytes.Equal(h.encode(), b) {
			t.Error("encodes to something else")
		}
	})
}

func FuzzReply(f *testing.F) {
	m := &reply{version: 1, point: make([]byte, PointSize), kem: make([]byte, kemSize)}
	f.Add(m.encode())
	m.exts = seedExts
	f.Add(m.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeReply(b)
		if err == nil && !bytes.Equal(m.encode(), b) {
			t.Error("encodes to something else")
		}
	})
}

func FuzzHsmProof(f *testing.F) {
	f.Add((&hsmProof{tag: make([]byte, TagSize)}).encode(), uint8(ModeRPV))
	f.Add((&hsmProof{share: make([]byte, shareSize), tag: make([]byte, TagSize)}).encode(), uint8(ModeOTP))
	f.Fuzz(func(t *testing.T, b []byte, mode uint8) {
		m, err := decodeHsmProof(b, Mode(mode))
		if err == nil && !bytes.Equal(m.encode(), b) {
			t.Error("encodes to something else")
		}
	})
}

func FuzzPedAuth(f *testing.F) {
	for _, m := range []*pedAuth{
		{serial: "1", firmware: "2.9.0", rpkCert: []byte{1, 2}, tag: make([]byte, TagSize)},
		{serial: "1", firmware: "2.9.0", share: make([]byte, shareSize), tag: make([]byte, TagSize)},
		{serial: "1", tag: make([]byte, TagSize)},
	} {
		f.Add(append(m.body(), m.tag...), uint8(ModeRPV))
		f.Add(append(m.body(), m.tag...), uint8(ModeOTP))
		f.Add(append(m.body(), m.tag...), uint8(ModeLocal))
	}
	f.Fuzz(func(t *testing.T, b []byte, mode uint8) {
		m, err := decodePedAuth(b, Mode(mode))
		if err == nil && !bytes.Equal(append(m.body(), m.tag...), b) {
			t.Error("encodes to something else")
		}
	})
}

func FuzzExtensions(f *testing.F) {
	var w wire.Writer
	writeExtensions(&w, seedExts)
	f.Add(w.Bytes())
	f.Add([]byte{1, 0, 1, 1, 0, 0})
	f.Add([]byte{17})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewReader(b)
		exts := parseExtensions(r, extLiveSet)
		if r.Done() != nil {
			return
		}
		var w wire.Writer
		writeExtensions(&w, exts)
		if !bytes.Equal(w.Bytes(), b) {
			t.Error("encodes to something else")
		}
		for i, e := range exts {
			if e.Critical && e.Type != extLiveSet || i > 0 && e.Type <= exts[i-1].Type {
				t.Error("took what it must refuse")
			}
		}
	})
}

func fuzzHalf() *half {
	h, err := newHalf(make([]byte, dekSize), make([]byte, dmkSize), Limits{})
	if err != nil {
		panic(err)
	}
	return h
}

// FuzzRecord seals each input's tail under the right keys too, so that what lies
// behind the tag is reached.
func FuzzRecord(f *testing.F) {
	f.Add(fuzzHalf().seal(nil, TypeData, []byte("payload")))
	f.Add(fuzzHalf().seal(nil, TypeClose, make([]byte, 8)))
	f.Add(make([]byte, HeaderSize+256+TagSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if typ, p, err := fuzzHalf().open(nil, b); err == nil && !bytes.Equal(fuzzHalf().seal(nil, typ, p), b) {
			t.Error("seals to something else")
		}
		if len(b) < HeaderSize+padTo || len(b) > MaxRecord {
			return
		}
		// Any plaintext, properly encrypted and tagged.
		h := fuzzHalf()
		rec := h.seal(nil, TypeData, make([]byte, (len(b)-HeaderSize)/padTo*padTo-4))
		text := rec[HeaderSize : len(rec)-TagSize]
		copy(text, b[HeaderSize:])
		h.seq = 0
		h.crypt(text, text)
		copy(rec[len(rec)-TagSize:], h.sum(rec[:len(rec)-TagSize]))
		if typ, p, err := fuzzHalf().open(nil, rec); err == nil && !bytes.Equal(fuzzHalf().seal(nil, typ, p), rec) {
			t.Error("seals to something else")
		}
	})
}
