package channel_test

import (
	"testing"

	"openped/protocol/channel"
)

// BenchmarkHandshakeRPV is both sides of a handshake in mode rpv, HSM and PED
// in turn, with an orange key at hand.
func BenchmarkHandshakeRPV(b *testing.B) {
	s := newSetup()
	for b.Loop() {
		r, err := s.run(channel.ModeRPV, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.HSM.Wipe()
		r.PED.Wipe()
	}
}

const recordPayload = 16384

// BenchmarkRecord16K seals and opens records of 16 KiB in turn.
func BenchmarkRecord16K(b *testing.B) {
	r, err := newSetup().run(channel.ModeLocal, nil)
	if err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, recordPayload)
	rec := make([]byte, 0, channel.RecordSize(recordPayload))
	out := make([]byte, 0, channel.RecordSize(recordPayload))
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(recordPayload)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.PED.AppendSeal(rec, payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("both", func(b *testing.B) {
		b.SetBytes(2 * recordPayload)
		b.ReportAllocs()
		for b.Loop() {
			sealed, err := r.HSM.AppendSeal(rec, payload)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := r.PED.AppendOpen(out, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestRecordAllocations holds Seal and Open to one allocation, which is the
// standard library's cipher state.
func TestRecordAllocations(t *testing.T) {
	r, err := newSetup().run(channel.ModeLocal, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, recordPayload)
	rec, out := make([]byte, 0, channel.RecordSize(recordPayload)), make([]byte, 0, channel.RecordSize(recordPayload))
	var sealed []byte
	seal := testing.AllocsPerRun(50, func() {
		if sealed, err = r.HSM.AppendSeal(rec, payload); err != nil {
			t.Fatal(err)
		}
	})
	records := make([][]byte, 0, 60)
	r, err = newSetup().run(channel.ModeLocal, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range cap(records) {
		sealed, err = r.HSM.Seal(payload)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, sealed)
	}
	i := 0
	open := testing.AllocsPerRun(50, func() {
		if _, _, err := r.PED.AppendOpen(out, records[i]); err != nil {
			t.Fatal(err)
		}
		i++
	})
	if seal > 1 || open > 1 {
		t.Errorf("%v allocations per sealed record, %v per opened one; want at most 1", seal, open)
	}
}
