package softped

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"syscall"

	"openped/internal/atomicfile"
	"openped/protocol"
	"openped/rpv"
)

const (
	stateMagic   = "openped-softped"
	stateVersion = 1
	maxStateFile = 4 << 20 // bytes
)

// What FileState.Load finds wrong with a file.
var (
	ErrStateForeign = errors.New("not a state file of a software PED")
	ErrStateNewer   = errors.New("state file was written by a newer version")
	ErrStateDamaged = errors.New("state file is damaged")
)

// StateError is an error about a state file: one line with cause and remedy.
type StateError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *StateError) Error() string {
	s := fmt.Sprintf("%s: %v", e.Path, e.Err)
	if h := e.Hint(); h != "" {
		s += "; " + h
	}
	return s
}

// Unwrap returns the cause.
func (e *StateError) Unwrap() error { return e.Err }

// Hint returns the remedy.
func (e *StateError) Hint() string {
	switch {
	case errors.Is(e.Err, ErrStateNewer):
		return "update softped, or name another file with -state"
	case errors.Is(e.Err, ErrStateForeign):
		return "name another file with -state"
	case errors.Is(e.Err, ErrStateDamaged):
		return "restore it from a copy, or move it away and pair the PED with its HSMs again"
	case errors.Is(e.Err, fs.ErrPermission):
		return "give this user read and write access to it"
	case errors.Is(e.Err, fs.ErrNotExist):
		return "create its folder"
	case errors.Is(e.Err, syscall.EISDIR):
		return "name a file, not a folder"
	}
	return ""
}

// FileState is a StateStore in a JSON file, mode 0600. Fields that this version
// does not know are kept.
type FileState struct{ Path string }

// The file. All is public, so it is made to be read.
type stateJSON struct {
	Magic    string        `json:"magic"`
	Version  int           `json:"version"`
	Serial   string        `json:"serial"`
	Roots    []string      `json:"roots"` // DER, base64
	Counters []counterJSON `json:"counters"`
}

type counterJSON struct {
	Issuing string `json:"issuing"` // SHA-512 of the issuing key, hex
	Counter uint64 `json:"counter"`
}

// Load implements StateStore. Its errors are a *StateError.
func (f FileState) Load() (*State, error) {
	b, err := readCapped(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return &State{}, nil
	}
	if err == nil {
		var s *State
		if s, err = decodeState(b); err == nil {
			return s, nil
		}
	}
	return nil, &StateError{f.Path, err}
}

// Save implements StateStore. Its errors are a *StateError.
func (f FileState) Save(s *State) error {
	b, err := encodeState(s)
	if err == nil {
		err = atomicfile.WriteFile(f.Path, b, 0o600)
	}
	if err != nil {
		return &StateError{f.Path, err}
	}
	return nil
}

func readCapped(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			return nil, p.Err
		}
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStateFile+1))
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		err = p.Err
	}
	if err == nil && len(b) > maxStateFile {
		err = ErrStateForeign
	}
	return b, err
}

func decodeState(b []byte) (*State, error) {
	var j stateJSON
	s := &State{}
	err := json.Unmarshal(b, &struct {
		Magic   *string `json:"magic"`
		Version *int    `json:"version"`
	}{&j.Magic, &j.Version})
	switch {
	case err != nil && bytes.Contains(b, []byte(`"`+stateMagic+`"`)):
		return nil, ErrStateDamaged // cut off, most likely
	case err != nil, j.Magic != stateMagic:
		return nil, ErrStateForeign
	}
	if j.Version > stateVersion {
		return nil, ErrStateNewer
	}
	if err := json.Unmarshal(b, &j); err != nil || j.Version < 1 || len(j.Serial) > protocol.MaxSerialText || !printable(j.Serial) {
		return nil, ErrStateDamaged
	}
	if err := json.Unmarshal(b, &s.extra); err != nil {
		return nil, ErrStateDamaged
	}
	s.Serial = j.Serial
	for _, r := range j.Roots {
		der, err := base64.StdEncoding.DecodeString(r)
		if err != nil || len(der) == 0 {
			return nil, ErrStateDamaged
		}
		s.Roots = append(s.Roots, der)
	}
	for _, c := range j.Counters {
		var fp rpv.Fingerprint
		if !unhex(fp[:], c.Issuing) {
			return nil, ErrStateDamaged
		}
		s.Counters = append(s.Counters, Counter{fp, c.Counter})
	}
	return s, nil
}

func encodeState(s *State) ([]byte, error) {
	j := stateJSON{Magic: stateMagic, Version: stateVersion, Serial: s.Serial,
		Roots: []string{}, Counters: []counterJSON{}}
	for _, r := range s.Roots {
		j.Roots = append(j.Roots, base64.StdEncoding.EncodeToString(r))
	}
	for _, c := range s.Counters {
		j.Counters = append(j.Counters, counterJSON{hex.EncodeToString(c.Issuing[:]), c.Counter})
	}
	known, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	// RawMessage keeps numbers as they are: as float64 a counter would lose digits.
	all := map[string]json.RawMessage{}
	maps.Copy(all, s.extra)
	if err := json.Unmarshal(known, &all); err != nil {
		return nil, err
	}
	return json.MarshalIndent(all, "", "  ")
}

func unhex(dst []byte, s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && copy(dst, b) == len(dst) && len(b) == len(dst)
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
