package virtual

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"openped/certs"
	"openped/hsm"
	"openped/internal/atomicfile"
)

// DefaultFirmware is the personality of a new HSM.
const DefaultFirmware = "7.7.0"

// HSM is an open virtual HSM. It implements hsm.Driver.
type HSM struct {
	path   string
	unlock func()
	write  func(path string, data []byte, perm fs.FileMode) error

	writing sync.Mutex // held while the file is written; before mu
	bad     error      // the file's content is not known any more

	mu sync.RWMutex // of c.state: a disk that hangs keeps nobody from looking
	c  *content
}

var _ hsm.Driver = (*HSM)(nil)

// CreateOptions are what a new HSM is made with.
type CreateOptions struct {
	Serial   string            // see certs.CheckSerial
	Firmware string            // as 7.7.0, which it is when empty
	Auth     hsm.Auth          // how people authenticate to it
	Origin   *certs.OriginRoot // certifies the HSM
}

// Create writes the state file (0600) of a new HSM. A file that is there already
// is left alone: the error is fs.ErrExist.
func Create(path string, o CreateOptions) error {
	if o.Firmware == "" {
		o.Firmware = DefaultFirmware
	}
	if !hsm.ValidFirmware(o.Firmware) {
		return fmt.Errorf("HSM firmware %q: give three numbers, as %s", o.Firmware, DefaultFirmware)
	}
	issuing, err := o.Origin.NewIssuing(o.Serial)
	if err != nil {
		return err
	}
	unlock, err := atomicfile.Lock(path + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w; an HSM is never overwritten: choose another name", path, fs.ErrExist)
	}
	c := &content{id: hsm.Identity{Serial: o.Serial, Firmware: o.Firmware, Auth: o.Auth}, issuing: issuing, raw: []byte("{}")}
	b, _, err := c.encode(&hsm.State{})
	if err != nil {
		return err
	}
	defer clear(b)
	return atomicfile.WriteFile(path, b, 0o600)
}

// Open reads a state file and holds its lock until Close. Symbolic links are
// followed (Path); a file with further hard links is refused: written under one
// name, the HSM would be there twice. The error is one line with the remedy;
// errors.Is finds ErrForeign, ErrNewer, ErrDamaged, fs.ErrNotExist,
// atomicfile.ErrLocked and atomicfile.ErrLinks.
func Open(path string) (*HSM, error) {
	path, err := Resolve(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fault(path, err)
	}
	unlock, err := atomicfile.Lock(path + ".lock")
	if err != nil {
		return nil, fault(path, err)
	}
	c, err := load(path)
	if err != nil {
		unlock()
		return nil, err
	}
	return &HSM{path: path, unlock: unlock, write: atomicfile.WriteFile, c: c}, nil
}

func load(path string) (*content, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fault(path, err)
	}
	c, err := decode(b)
	if err != nil {
		return nil, fault(path, err)
	}
	return c, nil
}

// Resolve returns the name that Open would know a state file by.
func Resolve(path string) (string, error) {
	real, err := atomicfile.Resolve(path)
	if err != nil {
		return "", fault(path, err)
	}
	return real, nil
}

// Path returns the state file's own name.
func (h *HSM) Path() string { return h.path }

// fault puts the remedy behind an error about a state file.
func fault(path string, err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) && p.Path == path {
		err = p.Err // the path is said below
	}
	remedy := "restore it from a backup"
	for _, r := range []struct {
		err    error
		remedy string
	}{
		{fs.ErrNotExist, "create an HSM with `pedclient -mode createhsm`"},
		{fs.ErrPermission, "give this user read and write access to the file and its folder"},
		{atomicfile.ErrLocked, "stop that process first"},
		{atomicfile.ErrLinks, "leave it one name: an HSM must not be there twice"},
		{ErrForeign, "give the file that `pedclient -mode createhsm` made"},
		{syscall.EISDIR, "give the file that `pedclient -mode createhsm` made"},
		{ErrNewer, "run the release that wrote it, or a later one"},
	} {
		if errors.Is(err, r.err) {
			remedy = r.remedy
		}
	}
	return fmt.Errorf("%s: %w; %s", path, err, remedy)
}

// Identity implements hsm.Driver.
func (h *HSM) Identity() hsm.Identity { return h.c.id }

// Chain implements hsm.Driver.
func (h *HSM) Chain() (issuing, root []byte) { return h.c.issuing.CertDER, h.c.issuing.RootDER }

// IssueStatic implements hsm.Driver.
func (h *HSM) IssueStatic(pub *ecdh.PublicKey, startCounter uint64) ([]byte, error) {
	return h.c.issuing.IssueStatic(pub, startCounter)
}

// IssueRPK implements hsm.Driver.
func (h *HSM) IssueRPK(pub *ecdh.PublicKey) ([]byte, error) { return h.c.issuing.IssueRPK(pub) }

// View implements hsm.Driver.
func (h *HSM) View(f func(*hsm.State)) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	f(h.c.state)
}

// Update implements hsm.Driver: one atomic write of the whole file.
func (h *HSM) Update(f func(*hsm.State) error) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	if h.bad != nil {
		return h.bad
	}
	old := h.c.state // only we change it
	st := old.Clone()
	if err := f(st); err != nil {
		dropNew(old, st)
		return err
	}
	b, raw, err := h.c.encode(st)
	if err == nil {
		err = h.write(h.path, b, 0o600)
		clear(b)
	}
	if err != nil {
		return h.afterFailure(err, old, st)
	}
	h.c.raw = raw
	h.show(st)
	dropNew(st, old) // nobody looks at it any more
	return nil
}

// show makes st the state that View sees.
func (h *HSM) show(st *hsm.State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.c.state = st
}

// afterFailure finds out what a failed write has left in the file. Nearly always
// it is the old content; when it is the new one, or cannot be read, nobody may
// go on as if nothing had happened: the HSM stops until it is opened again.
func (h *HSM) afterFailure(err error, old, st *hsm.State) error {
	dropNew(old, st)
	now, lerr := load(h.path)
	if lerr == nil {
		defer destroy(now.state)
		a, _, aerr := now.encode(now.state)
		b, _, berr := h.c.encode(old)
		same := aerr == nil && berr == nil && string(a) == string(b)
		clear(a)
		clear(b)
		if same {
			return err
		}
	}
	h.bad = fmt.Errorf("%s: its content is in doubt after a failed write; start the HSM again: %w", h.path, err)
	return h.bad
}

// dropNew destroys the RPV of drop unless keep has the same.
func dropNew(keep, drop *hsm.State) {
	if drop.RPV != nil && (keep.RPV == nil || keep.RPV.Value != drop.RPV.Value) {
		drop.RPV.Value.Destroy()
	}
}

// Close implements hsm.Driver.
func (h *HSM) Close() error {
	h.writing.Lock()
	defer h.writing.Unlock()
	if h.unlock == nil {
		return nil
	}
	old := h.c.state
	h.show(&hsm.State{})
	destroy(old)
	h.bad = fmt.Errorf("%s: %w", h.path, fs.ErrClosed)
	h.unlock()
	h.unlock = nil
	return nil
}
