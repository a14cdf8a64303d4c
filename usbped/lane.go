package usbped

import (
	"bytes"
	"encoding/binary"
	"io"
)

// What is asked of a lane at once: multiples of every packet size, and more than
// any frame of the lane.
const (
	bulkBuffer  = 16 << 10
	eventBuffer = 1 << 10
)

// lane is the incoming end of one direction of a cable, or of a stream: frames
// in their order, however they were cut up on their way. Events have a count of
// their own, also where they come between other frames.
type lane struct {
	read   func([]byte) (int, error)
	bulk   bool // carries all but events
	events bool // carries events
	buf    []byte
	have   []byte // what was read and not taken yet
	heard  bool   // anything at all was read
	seq    uint32 // of the next frame
	event  uint32 // of the next event
}

func bulkLane(read func([]byte) (int, error)) *lane {
	return &lane{read: read, bulk: true, buf: make([]byte, bulkBuffer)}
}

func eventLane(read func([]byte) (int, error)) *lane {
	return &lane{read: read, events: true, buf: make([]byte, eventBuffer)}
}

// Read implements io.Reader. The port is always asked for a whole buffer.
func (l *lane) Read(p []byte) (int, error) {
	for range 100 {
		if len(l.have) > 0 {
			n := copy(p, l.have)
			l.have = l.have[n:]
			return n, nil
		}
		n, err := l.read(l.buf)
		if n < 0 || n > len(l.buf) {
			return 0, ErrCorrupt
		}
		l.have = l.buf[:n]
		l.heard = l.heard || n > 0
		if n == 0 && err != nil {
			return 0, err
		}
		// An error that came with bytes comes again.
	}
	return 0, io.ErrNoProgress
}

// next returns the next frame, which must be the next by its number, too. A
// RESET restarts the count.
func (l *lane) next() (rawFrame, error) {
	f, err := readFrame(l)
	if err != nil {
		return rawFrame{}, err
	}
	count, carries := &l.seq, l.bulk
	switch f.typ {
	case typeEvent:
		count, carries = &l.event, l.events
	case typeReset:
		l.seq = 0
	}
	if !carries || f.seq != *count {
		return rawFrame{}, ErrCorrupt
	}
	*count++
	return f, nil
}

// seek drops what comes until what is looked for has come, which stays to be
// read: at most limit bytes, unless that is below 0.
func (l *lane) seek(limit, size int, found func([]byte) bool) error {
	var w []byte // the last bytes read, size at most
	for dropped := 0; ; dropped++ {
		for len(w) < size {
			var b [1]byte
			if _, err := l.Read(b[:]); err != nil {
				return err
			}
			w = append(w, b[0])
		}
		if found(w) {
			l.have = append(w, l.have...)
			return nil
		}
		if dropped == limit {
			return ErrCorrupt
		}
		w = w[1:]
	}
}

// seekReset drops what comes until a RESET: without end, for a host may come any
// time.
func (l *lane) seekReset() error {
	return l.seek(-1, resetSize, func(b []byte) bool {
		if b[0] != magic>>8 || b[1] != magic&0xff || b[2] != byte(typeReset) {
			return false
		}
		_, err := readFrame(bytes.NewReader(b))
		return err == nil
	})
}

// maxStale is how much of what was for an earlier host may come before the
// answer to a RESET.
const maxStale = 256 << 10

// seekAnswer drops what comes until the answer to our RESET.
func (l *lane) seekAnswer(t resetToken) error {
	answer := appendFrame(nil, t.frame())
	return l.seek(maxStale, len(answer), func(b []byte) bool { return bytes.Equal(b, answer) })
}

// seekEvent drops what comes until the first event after our RESET.
func (l *lane) seekEvent(t resetToken) error {
	begin := binary.BigEndian.AppendUint32([]byte{magic >> 8, magic & 0xff, byte(typeEvent), 0}, t.events())
	return l.seek(maxStale, len(begin), func(b []byte) bool { return bytes.Equal(b, begin) })
}
