package softped

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"openped/rpv"
)

// Limits of what a PED remembers; the oldest goes first.
const (
	maxRoots    = 64
	maxCounters = 1024
)

// State is all that a PED keeps: public things. Save stores it durably.
type State struct {
	Serial   string // of this PED, 1 to 32 characters
	Roots    [][]byte
	Counters []Counter
	extra    map[string]json.RawMessage // all fields of the file, for those that this version does not know
}

// Counter is the highest start counter seen of one HSM.
type Counter struct {
	Issuing rpv.Fingerprint
	Counter uint64
}

// StateStore keeps a PED's state.
type StateStore interface {
	// Load returns the state, an empty one if none was saved yet.
	Load() (*State, error)
	// Save writes it durably; on an error the one before is still there.
	Save(*State) error
}

// MemState is a StateStore in memory, for tests. Its zero value is ready to use.
type MemState struct {
	mu sync.Mutex
	s  State
}

// Load implements StateStore.
func (m *MemState) Load() (*State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.s.clone(), nil
}

// Save implements StateStore.
func (m *MemState) Save(s *State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s = *s.clone()
	return nil
}

func (s *State) clone() *State {
	c := *s
	c.Roots = slices.Clone(s.Roots)
	c.Counters = slices.Clone(s.Counters)
	return &c
}

// errCounter refuses an HSM identity from before a later start of that HSM.
var errCounter = errors.New("HSM start counter is lower than one this PED has seen: stolen or restored HSM identity")

// memory is the PED's use of its state: every change is durable before it
// counts.
type memory struct {
	store StateStore
	mu    sync.Mutex
	s     *State
}

func openMemory(store StateStore) (*memory, error) {
	s, err := store.Load()
	if err != nil {
		return nil, err
	}
	return &memory{store: store, s: s}, nil
}

// change saves what edit makes of the state, and keeps the old one on an error.
func (m *memory) change(edit func(*State)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.s.clone()
	edit(next)
	if err := m.store.Save(next); err != nil {
		return err
	}
	m.s = next
	return nil
}

func (m *memory) roots() [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.s.Roots)
}

// addRoot stores an origin root that is not there yet.
func (m *memory) addRoot(der []byte) error {
	if slices.ContainsFunc(m.roots(), func(r []byte) bool { return bytes.Equal(r, der) }) {
		return nil
	}
	return m.change(func(s *State) {
		s.Roots = append(s.Roots, bytes.Clone(der))
		s.Roots = s.Roots[max(0, len(s.Roots)-maxRoots):]
	})
}

// checkCounter refuses a counter lower than the highest seen.
func (m *memory) checkCounter(fp rpv.Fingerprint, counter uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.s.Counters {
		if c.Issuing == fp && counter < c.Counter {
			return errCounter
		}
	}
	return nil
}

// sawCounter keeps a counter that checkCounter took.
func (m *memory) sawCounter(fp rpv.Fingerprint, counter uint64) error {
	m.mu.Lock()
	known := slices.Contains(m.s.Counters, Counter{fp, counter})
	m.mu.Unlock()
	if known {
		return nil
	}
	return m.change(func(s *State) {
		high := counter
		for _, c := range s.Counters {
			if c.Issuing == fp {
				high = max(high, c.Counter)
			}
		}
		s.Counters = slices.DeleteFunc(s.Counters, func(c Counter) bool { return c.Issuing == fp })
		s.Counters = append(s.Counters, Counter{fp, high})
		s.Counters = s.Counters[max(0, len(s.Counters)-maxCounters):]
	})
}
