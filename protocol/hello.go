package protocol

import (
	"errors"

	"openped/internal/wire"
)

// LinkVersion is the version of the link that this package speaks.
const LinkVersion = 1

// Caps of a Hello.
const (
	MaxSoftwareText = 32   // bytes
	MaxExts         = 16   // a count
	MaxExtValue     = 1024 // bytes
	maxHello        = 1 + 1 + 8 + 1 + MaxSoftwareText + 1 + MaxExts*(5+MaxExtValue)
)

// ErrCritical is the error for an extension that its sender marked critical and
// that this version does not know.
var ErrCritical = errors.New("unknown critical extension")

// Ext is one extension of a Hello.
//
//	type        2
//	critical    1   0 or 1: who does not know it must end the connection
//	length      2   ≤ 1024
//	value       n
type Ext struct {
	Type     uint16
	Critical bool
	Value    []byte
}

// knownExts lists the extension types of this version: none yet.
var knownExts = map[uint16]bool{}

// Hello is the first frame in both directions. Its layout is the same in every
// version of the link; what versions add goes into extensions.
//
//	min version 1   1–max
//	max version 1
//	features    8   bits, none defined yet; unknown ones are ignored
//	software    1+n printable ASCII, ≤ 32 bytes
//	count       1   extensions, ≤ 16, no type twice
//	extensions  n
type Hello struct {
	MinVersion, MaxVersion uint8
	Features               uint64
	Software               string
	Ext                    []Ext
}

// FrameType returns FrameHello.
func (Hello) FrameType() FrameType { return FrameHello }

// Encode returns the body's bytes. It panics on fields over the wire's own
// limits; WriteFrame refuses a body over its cap.
func (h Hello) Encode() []byte {
	w := new(wire.Writer).U8(h.MinVersion).U8(h.MaxVersion).U64(h.Features).Var8([]byte(h.Software)).U8(uint8(len(h.Ext)))
	for _, e := range h.Ext {
		w.U16(e.Type).Bool(e.Critical).Var16(e.Value)
	}
	return w.Bytes()
}

// Decode reads the body. The error is wire.ErrMalformed, or ErrCritical for a
// critical extension that is not known.
func (h *Hello) Decode(b []byte) error {
	r := wire.NewReader(b)
	*h = Hello{MinVersion: r.U8(), MaxVersion: r.U8(), Features: r.U64(), Software: r.Text8(MaxSoftwareText)}
	need(r, h.MinVersion >= 1 && h.MinVersion <= h.MaxVersion)
	n := int(r.U8())
	need(r, n <= MaxExts)
	seen, unknown := map[uint16]bool{}, false
	for i := 0; i < n && r.Err() == nil; i++ {
		e := Ext{Type: r.U16(), Critical: r.Bool(), Value: readVar(r, MaxExtValue)}
		need(r, !seen[e.Type])
		seen[e.Type] = true
		unknown = unknown || e.Critical && !knownExts[e.Type]
		h.Ext = append(h.Ext, e)
	}
	if err := r.Done(); err != nil {
		return err
	}
	if unknown {
		return ErrCritical
	}
	return nil
}

// Negotiate returns the highest version that both sides speak. The error is an
// Error with LinkErrVersion, ready to be sent.
func Negotiate(mine, theirs Hello) (uint8, error) {
	v := min(mine.MaxVersion, theirs.MaxVersion)
	if v < max(mine.MinVersion, theirs.MinVersion) || v == 0 {
		return 0, Error{LinkErrVersion}
	}
	return v, nil
}
