package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

// MkdirAll makes a folder and those above it as os.MkdirAll does. A new one has the
// access list of the one above; but if that would let others look into what perm
// closes to them, it is the user's, administrators' and the system's. An
// administrator's private folder must not be a stranger's.
func MkdirAll(dir string, perm fs.FileMode) error {
	return AsOwner(dir, func() error { return mkdirAll(dir, perm) })
}

func mkdirAll(dir string, perm fs.FileMode) error {
	private := perm&0o007 == 0
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		if private && windows.GetCurrentProcessToken().IsElevated() {
			return notStrangers(dir)
		}
		return nil
	}
	up := filepath.Dir(dir)
	if up == dir || !private {
		return os.MkdirAll(dir, perm)
	}
	if err := mkdirAll(up, 0o755); err != nil {
		return err
	}
	loose, err := winacl.LooseIn(up, true)
	if err != nil || !loose {
		return os.MkdirAll(dir, perm)
	}
	entries, err := winacl.OwnPrivate()
	if err != nil {
		return err
	}
	return winacl.Mkdir(dir, entries...)
}

// notStrangers refuses a folder that somebody without rights could have made before.
func notStrangers(dir string) error {
	owner, _, err := winacl.Of(dir)
	if err != nil {
		return nil // a file system without owners
	}
	me, err := winacl.User()
	if err != nil {
		return err
	}
	if !winacl.Among(owner, me, winacl.System, winacl.Administrators) && !winacl.IsService(owner) {
		return fmt.Errorf("%s belongs to %s, and keys of administrators must not lie there", dir, owner)
	}
	return nil
}

// createTemp makes a new file that may be renamed while it is open; for a private
// one see MkdirAll.
func createTemp(dir, begin string, perm fs.FileMode) (*os.File, error) {
	loose := false
	if perm&0o077 == 0 {
		loose, _ = winacl.LooseIn(dir, false) // else a file system without access lists
	}
	create := func(path string) (*os.File, error) { return openFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm) }
	if loose {
		entries, err := winacl.OwnPrivate()
		if err != nil {
			return nil, err
		}
		create = func(path string) (*os.File, error) { return winacl.Create(path, entries...) }
	}
	for range 10000 {
		f, err := create(filepath.Join(dir, begin+strconv.FormatUint(uint64(rand.Uint32()), 10)+tempSuffix))
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return nil, errors.New("all names of temporary files are taken")
}
