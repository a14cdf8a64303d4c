package channel

import (
	"bytes"
	"crypto/mlkem"
	"fmt"

	"openped/internal/wire"
	"openped/protocol/kas/cpace"
)

// Sizes, in bytes.
const (
	Version       = 1 // of the channel; there is one cipher suite per version
	NonceSize     = 32
	TagSize       = 64 // of confirmation tags and records: HMAC-SHA-512 in full
	HeaderSize    = 16
	PointSize     = 133 // uncompressed P-521 point
	MaxClear      = 16384
	MaxCiphertext = 65536
	MaxRecord     = HeaderSize + MaxCiphertext + TagSize
	MaxSerial     = 32 // of an HSM or a PED
	MaxLabel      = 32
	MaxFirmware   = 16
	MaxCert       = 2048
	MaxExtensions = 16
	MaxExtension  = 1024

	encapKeySize = mlkem.EncapsulationKeySize1024
	kemSize      = mlkem.CiphertextSize1024
	shareSize    = cpace.ShareSize
)

// Type is the first byte of every message and record.
type Type uint8

// Types. Hello, Reply, HsmProof and Alert travel in clear; PedAuth, Confirm,
// Begin, Activity and Cancelled are records under the K0 keys; Data, Activity
// and Close are records of a session.
const (
	TypeHello     Type = 0x01
	TypeReply     Type = 0x02
	TypeHsmProof  Type = 0x03
	TypePedAuth   Type = 0x14
	TypeConfirm   Type = 0x15
	TypeBegin     Type = 0x16
	TypeActivity  Type = 0x17
	TypeCancelled Type = 0x18
	TypeData      Type = 0x20
	TypeClose     Type = 0x21
	TypeAlert     Type = 0x7f
)

var typeNames = map[Type]string{
	TypeHello: "Hello", TypeReply: "Reply", TypeHsmProof: "HsmProof", TypePedAuth: "PedAuth", TypeConfirm: "Confirm",
	TypeBegin: "Begin", TypeActivity: "Activity", TypeCancelled: "Cancelled", TypeData: "Data", TypeClose: "Close", TypeAlert: "Alert",
}

func (t Type) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type %#02x", uint8(t))
}

// Mode says how the PED authenticates.
type Mode uint8

// Modes.
const (
	ModeRPV   Mode = 1 // orange key and RPV: C(2e, 2s)
	ModeOTP   Mode = 2 // one-time password, before there is an RPV: CPace
	ModeLocal Mode = 3 // the HSM host's own port: C(1e, 1s)
)

func (m Mode) String() string {
	switch m {
	case ModeRPV:
		return "rpv"
	case ModeOTP:
		return "otp"
	case ModeLocal:
		return "local"
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

func (m Mode) valid() bool { return m >= ModeRPV && m <= ModeLocal }

// shareLen is the size of a CPace share in HsmProof and PedAuth.
func (m Mode) shareLen() int {
	if m == ModeOTP {
		return shareSize
	}
	return 0
}

// alert is the one alert: a clear header without a body. It says nothing more.
var alert = [HeaderSize]byte{byte(TypeAlert), Version}

// AlertRecord returns a copy of the one alert there is, in clear.
func AlertRecord() []byte { return bytes.Clone(alert[:]) }

// IsAlert reports whether msg is exactly the alert.
func IsAlert(msg []byte) bool { return bytes.Equal(msg, alert[:]) }

// IsHello reports whether msg claims to be a Hello, which starts a new
// handshake; NewV says whether it is one.
func IsHello(msg []byte) bool { return len(msg) >= HeaderSize && Type(msg[0]) == TypeHello }

// A header is
//
//	type[1] version[1] zero[2] seq[8] length[4]
//
// where seq is 0 in clear messages and length counts what follows, without the
// tag of a record.
func writeHeader(w *wire.Writer, t Type, seq uint64, length int) {
	w.U8(uint8(t)).U8(Version).U16(0).U64(seq).U32(uint32(length))
}

// parseHeader checks a header's fixed parts. length is not bounded yet.
func parseHeader(r *wire.Reader) (t Type, seq uint64, length uint32) {
	t = Type(r.U8())
	if r.U8() != Version || r.U16() != 0 {
		r.Fail()
	}
	return t, r.U64(), r.U32()
}

// encodeClear puts body behind a clear header.
func encodeClear(t Type, body []byte) []byte {
	w := wire.NewWriter(HeaderSize + len(body))
	writeHeader(w, t, 0, len(body))
	return w.Raw(body).Bytes()
}

// decodeClear checks a clear message and returns its body, aliased.
func decodeClear(msg []byte, want Type) ([]byte, error) {
	if len(msg) > HeaderSize+MaxClear {
		return nil, wire.ErrMalformed
	}
	r := wire.NewReader(msg)
	t, seq, length := parseHeader(r)
	if r.Err() == nil && t != want {
		return nil, fmt.Errorf("%w: %v where %v belongs", ErrSequence, t, want)
	}
	if seq != 0 || int64(length) != int64(r.Len()) {
		r.Fail()
	}
	return r.Bytes(r.Len()), r.Err()
}

// text reports whether s can be a text8 of at most max bytes.
func text(s string, max int) bool {
	if len(s) > max {
		return false
	}
	for _, c := range []byte(s) {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}
