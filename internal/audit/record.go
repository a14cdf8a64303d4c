package audit

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds, so that neither a caller nor a damaged file makes a reader allocate
// without limit.
const (
	MaxField  = 256      // bytes in one text field
	MaxKeys   = 64       // entries of Record.Keys
	MaxRecord = 32 << 10 // bytes in one line, with its newline
)

// Errors of Append and of decoding a line.
var (
	ErrTooLong   = errors.New("audit record is too long")
	ErrMalformed = errors.New("not an audit record")
)

// Record is one event. Append fills Seq, Time (if zero), MonoNs, Prev and Hash;
// all texts are names and numbers that are public: no PIN, no share, no secret.
type Record struct {
	Seq      uint64    `json:"seq"`                // 1, 2, 3 …
	Time     time.Time `json:"time"`               // UTC
	MonoNs   int64     `json:"mono_ns"`            // nanoseconds since the writing process started, unmoved by changes of the clock
	Ceremony string    `json:"ceremony,omitempty"` // hex
	Slot     int       `json:"slot"`
	HSM      string    `json:"hsm"` // certified serial
	Event    string    `json:"event"`
	Role     string    `json:"role,omitempty"`
	Keys     []string  `json:"keys,omitempty"`   // serials of the PED keys shown, hex
	Set      string    `json:"set,omitempty"`    // keyset id, hex
	PED      string    `json:"ped,omitempty"`    // serial and firmware
	Caller   string    `json:"caller,omitempty"` // the local user who asked for it
	Result   string    `json:"result,omitempty"`
	Prev     string    `json:"prev"` // hash of the record before, 128 hex digits
	Hash     string    `json:"hash"` // SHA-512, 128 hex digits
}

// hashMark stands between what a line's hash covers and the hash. It is cut
// from the end by position, so a text field that contains it does no harm.
const hashMark = `,"hash":"`

const (
	hashLen = 2 * sha512.Size
	tailLen = len(hashMark) + hashLen + len(`"}`)
)

var genesis = strings.Repeat("0", hashLen)

// check holds a record from a caller to the bounds.
func (r *Record) check() error {
	if len(r.Keys) > MaxKeys {
		return ErrTooLong
	}
	for _, s := range append([]string{r.Ceremony, r.HSM, r.Event, r.Role, r.Set, r.PED, r.Caller, r.Result}, r.Keys...) {
		if len(s) > MaxField {
			return ErrTooLong
		}
	}
	return nil
}

// encode sets r.Hash and returns the record's line with its newline.
func encode(r *Record) ([]byte, error) {
	r.Hash = ""
	line, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	body, ok := bytes.CutSuffix(line, []byte(hashMark+`"}`))
	if !ok {
		return nil, ErrMalformed // hash is the last field of the struct: never
	}
	r.Hash = hashOf(body)
	line = fmt.Appendf(body, "%s%s\"}\n", hashMark, r.Hash)
	if len(line) > MaxRecord {
		return nil, ErrTooLong
	}
	return line, nil
}

// decode reads a line without its newline and checks the line's own hash; the
// chain is the caller's to check. Fields it does not know are covered by the
// hash and otherwise ignored.
func decode(line []byte) (Record, error) {
	var r Record
	if len(line) <= tailLen || len(line) >= MaxRecord {
		return r, ErrMalformed
	}
	body := line[:len(line)-tailLen]
	if !bytes.HasPrefix(line[len(body):], []byte(hashMark)) {
		return r, ErrMalformed
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return Record{}, ErrMalformed
	}
	if r.Hash != hashOf(body) {
		return r, errHash
	}
	return r, nil
}

var errHash = errors.New("record does not match its hash")

func hashOf(body []byte) string {
	h := sha512.Sum512(body)
	return hex.EncodeToString(h[:])
}
