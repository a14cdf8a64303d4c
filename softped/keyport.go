package softped

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"openped/rpv"
)

// What can be wrong with the port, beside what the store says of a file.
var (
	errNoKey    = errors.New("no PED key in the port")
	errPulled   = errors.New("PED key was pulled while in use")
	errReadBack = errors.New("PED key does not hold what was written to it")
)

// port is the one USB socket for PED keys.
type port struct {
	store   rpv.Store
	mu      sync.Mutex
	name    string // of the key inside, "" for none
	gen     uint64 // counts insertions and removals
	release func() // lets other PEDs have the key
}

// holder is a store that knows that a key can be in one port only.
type holder interface {
	Hold(name string) (release func(), err error)
}

// held is a key as it was read from the port.
type held struct {
	name string
	gen  uint64
	key  *rpv.Key
}

func (h *held) destroy() {
	if h != nil {
		h.key.Destroy()
	}
}

// insert puts a key into the port, taking out the one inside. Only a name that
// the store does not have is an error: an unreadable key can be inserted, and
// the dialogue says so.
func (p *port) insert(name string) error {
	names, err := p.store.List()
	if err != nil {
		return err
	}
	if !slices.Contains(names, name) {
		return fmt.Errorf("%q: %w", name, rpv.ErrNoKey)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if h, ok := p.store.(holder); ok && name != p.name {
		release, err := h.Hold(name)
		if err != nil {
			return err
		}
		p.letGo()
		p.release = release
	}
	p.name = name
	p.gen++
	return nil
}

func (p *port) letGo() {
	if p.release != nil {
		p.release()
		p.release = nil
	}
}

// remove pulls the key, if any.
func (p *port) remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.letGo()
	p.name = ""
	p.gen++
}

func (p *port) inside() (string, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.name, p.gen
}

// load reads the key in the port.
func (p *port) load() (*held, error) {
	name, gen := p.inside()
	if name == "" {
		return nil, errNoKey
	}
	k, err := p.store.Load(name)
	if err != nil {
		return nil, err
	}
	h := &held{name: name, gen: gen, key: k}
	if !p.still(h) {
		h.destroy()
		return nil, errPulled
	}
	return h, nil
}

// still reports whether h has been in the port without a break since it was read.
func (p *port) still(h *held) bool {
	_, gen := p.inside()
	return gen == h.gen
}

// save writes h to the key in the port and reads it back. When it fails, the
// key holds either what it held or all of the new content, never a mixture.
func (p *port) save(h *held) error {
	if !p.still(h) {
		return errPulled
	}
	if err := p.store.Save(h.name, h.key); err != nil {
		return err
	}
	got, err := p.store.Load(h.name)
	if err != nil {
		return err
	}
	defer got.Destroy()
	a, errA := h.key.Encode()
	b, errB := got.Encode()
	same := errA == nil && errB == nil && bytes.Equal(a, b)
	clear(a)
	clear(b)
	if !same {
		return errReadBack
	}
	if !p.still(h) {
		return errPulled
	}
	return nil
}
