package rpv

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"openped/internal/atomicfile"
)

// Store keeps PED keys by name.
type Store interface {
	// List returns the names of all keys, sorted.
	List() ([]string, error)
	// Load reads a key. The caller destroys it.
	Load(name string) (*Key, error)
	// Save writes a key durably: when it returns nil, the key survives a crash;
	// otherwise what was stored is still there.
	Save(name string, k *Key) error
}

// Suffix is the end of a key file's name.
const Suffix = ".pedkey"

// MaxName is the largest length of a key's name in bytes.
const MaxName = 64

// What a Store's errors are, besides those of Decode.
var (
	ErrName    = errors.New("not a name for a PED key: use 1 to 64 letters, digits, '.', '-' and '_', not starting with '.'")
	ErrNoKey   = errors.New("no such PED key")
	ErrExists  = errors.New("a PED key of this name exists")
	ErrChanged = errors.New("PED key file was changed by another program")
)

// Fault is an error about one key file. Error is one line that names the file,
// the cause and the remedy; errors.Is finds the cause.
type Fault struct {
	File string
	Err  error
}

// Error implements error.
func (f *Fault) Error() string {
	s := fmt.Sprintf("%s: %v", f.File, f.Err)
	if h := f.Hint(); h != "" {
		s += "; " + h
	}
	return s
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Hint returns the remedy, or "" if the cause says it all.
func (f *Fault) Hint() string {
	for _, h := range []struct {
		err  error
		hint string
	}{
		{ErrForeign, "remove it from the key folder or give it another suffix"},
		{ErrTruncated, "restore it from a copy, or use another key of the quorum"},
		{ErrDamaged, "restore it from a copy, or use another key of the quorum"},
		{ErrNewer, "update this software to use it"},
		{ErrNoKey, "list the key folder for the names there are"},
		{ErrExists, "choose another name"},
		{ErrChanged, "take the key out and insert it again"},
		{atomicfile.ErrLocked, "close the other program that uses this key folder"},
		{fs.ErrPermission, "give this user read and write access to the key folder"},
		{fs.ErrNotExist, "create the key folder or name the right one"},
		{syscall.ENOTDIR, "name the folder that the PED keys are in"},
	} {
		if errors.Is(f.Err, h.err) {
			return h.hint
		}
	}
	return ""
}

// loadedFrom is the state of the file that a Key was read from or last saved
// to; zero for a new key.
type loadedFrom struct {
	sum [sha512.Size]byte
	ok  bool
}

// DirStore keeps each key in the file NAME.pedkey of a folder, mode 0600. Files
// are replaced whole, so Load needs no lock; Save holds the folder's. A Save over
// a file that somebody else changed since it was loaded is refused, so nobody's
// change is lost; so is a Save of a new key over an existing one.
type DirStore struct {
	Dir string
}

// lockWait bounds the wait for another process's operation.
const lockWait = 2 * time.Second

// CheckName returns ErrName unless name is 1 to 64 ASCII letters, digits, '.',
// '-' and '_', and does not start with '.'.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName || name[0] == '.' {
		return ErrName
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			return ErrName
		}
	}
	return nil
}

// path returns the file of a key.
func (d DirStore) path(name string) (string, error) {
	if err := CheckName(name); err != nil {
		return "", err
	}
	return filepath.Join(d.Dir, name+Suffix), nil
}

func (d DirStore) lock() (func(), error) {
	unlock, err := atomicfile.LockWait(filepath.Join(d.Dir, ".lock"), lockWait)
	if err != nil {
		return nil, &Fault{d.Dir, err}
	}
	return unlock, nil
}

// List implements Store: the names of the files NAME.pedkey, whatever they hold.
func (d DirStore) List() ([]string, error) {
	entries, err := os.ReadDir(d.Dir)
	if err != nil {
		return nil, &Fault{d.Dir, pathCause(err)}
	}
	names := []string{}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), Suffix); ok && CheckName(name) == nil && !e.IsDir() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Load implements Store. Its errors are a *Fault, or ErrName.
func (d DirStore) Load(name string) (*Key, error) {
	path, err := d.path(name)
	if err != nil {
		return nil, err
	}
	b, err := readFile(path)
	defer clear(b)
	if err != nil {
		return nil, &Fault{path, err}
	}
	k, err := Decode(b)
	if err != nil {
		return nil, &Fault{path, err}
	}
	k.loaded = loadedFrom{sha512.Sum512(b), true}
	return k, nil
}

// Save implements Store. Its errors are a *Fault, or ErrName, or what Encode says.
func (d DirStore) Save(name string, k *Key) error {
	path, err := d.path(name)
	if err != nil {
		return err
	}
	b, err := k.Encode()
	if err != nil {
		return err
	}
	defer clear(b)
	unlock, err := d.lock()
	if err != nil {
		return err
	}
	defer unlock()
	old, err := readFile(path)
	defer clear(old)
	switch {
	case errors.Is(err, ErrNoKey) && !k.loaded.ok: // a new key
	case err != nil:
		return &Fault{path, err}
	case !k.loaded.ok:
		return &Fault{path, ErrExists}
	case sha512.Sum512(old) != k.loaded.sum:
		return &Fault{path, ErrChanged}
	}
	if err := atomicfile.WriteFile(path, b, 0o600); err != nil {
		return &Fault{d.Dir, err}
	}
	k.loaded = loadedFrom{sha512.Sum512(b), true}
	return nil
}

// Hold keeps a key for one PED as long as it is inserted: a key is a physical
// thing and can be in one port only. It returns a *Fault if another process, or
// another PED in this one, holds it.
func (d DirStore) Hold(name string) (release func(), err error) {
	path, err := d.path(name)
	if err != nil {
		return nil, err
	}
	release, err = atomicfile.Lock(filepath.Join(d.Dir, "."+name+".inserted"))
	if err != nil {
		return nil, &Fault{path, err}
	}
	return release, nil
}

// readFile reads at most one byte more than a container may have: Decode calls
// larger files foreign. The result is not nil on an error after a partial read.
func readFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoKey
	} else if err != nil {
		return nil, pathCause(err)
	}
	if !st.Mode().IsRegular() {
		return nil, ErrForeign
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, pathCause(err)
	}
	defer f.Close()
	b := make([]byte, min(st.Size(), int64(MaxContainer))+1)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return b, pathCause(err)
	}
	return b[:n], nil
}

// pathCause strips the path, which Fault names already.
func pathCause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
