package pedclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"sync"

	"openped/internal/atomicfile"
)

// settingsSuffix is appended to the HSM's state file.
const settingsSuffix = ".pedclient"

const (
	settingsMagic   = "openped-pedclient-slot"
	settingsVersion = 1
	maxSettings     = 64 << 10 // bytes
)

// settings are what `ped set` keeps for one slot, durably. Fields that this
// version does not know are kept.
type settings struct {
	path string

	writing sync.Mutex // held for the disk
	rest    map[string]json.RawMessage

	mu     sync.Mutex
	target Target
}

type settingsFile struct {
	Magic   string `json:"magic"`
	Version int    `json:"version"`
	Host    string `json:"host"`
	Port    int    `json:"port"`
	TLS     bool   `json:"tls"`
}

// openSettings reads the settings, which need not exist.
func openSettings(path string) (*settings, error) {
	s := &settings{path: path, rest: map[string]json.RawMessage{}}
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if fi.Size() > maxSettings {
		return nil, fmt.Errorf("%s is no settings file of pedclient: move it aside", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := s.decode(b); err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return s, nil
}

// decode reads a settings file; the error completes a sentence that begins with
// its name.
func (s *settings) decode(b []byte) error {
	var f settingsFile
	if json.Unmarshal(b, &f) != nil || json.Unmarshal(b, &s.rest) != nil || f.Magic != settingsMagic {
		return errors.New("is no settings file of pedclient, or damaged: move it aside and run `ped set` again")
	}
	if f.Version != settingsVersion {
		return fmt.Errorf("is of version %d, this pedclient knows version %d: install the newer release", f.Version, settingsVersion)
	}
	if f.Port < 0 || f.Port > 65535 || len(f.Host) > 255 {
		return errors.New("is damaged: move it aside and run `ped set` again")
	}
	s.target = Target{Host: f.Host, Port: f.Port, TLS: f.TLS}
	return nil
}

// get returns the stored address; the host is empty when there is none.
func (s *settings) get() Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.target
}

// set stores an address; when it returns nil it is on disk.
func (s *settings) set(t Target) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	out := maps.Clone(s.rest)
	for k, v := range map[string]any{"magic": settingsMagic, "version": settingsVersion, "host": t.Host, "port": t.Port, "tls": t.TLS} {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		out[k] = b
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteFile(s.path, append(b, '\n'), 0o600); err != nil {
		return err
	}
	s.rest = out
	s.mu.Lock()
	s.target = t
	s.mu.Unlock()
	return nil
}
