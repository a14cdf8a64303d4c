package conffile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"openped/internal/atomicfile"
)

// editWait is how long Edit waits for another process that edits the file.
const editWait = 5 * time.Second

// Edit changes the file at path, or makes it: under a lock it is read, changed by
// edit, and written whole. Its permissions and its owner stay; a new file gets
// 0644, its folder 0755. A symbolic link is followed. If edit fails or changes
// nothing, the file is not touched. In another user's folder root reads and writes
// as that user (atomicfile.AsOwner).
func Edit(path string, edit func(*File) error) error {
	given := path
	err := atomicfile.AsOwner(filepath.Dir(given), func() (err error) {
		path, err = atomicfile.Resolve(given)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", given, err)
	}
	// Whose link it is counts first: it must not lead root elsewhere.
	asOwner := func(f func() error) error {
		return atomicfile.AsOwner(filepath.Dir(given), func() error { return atomicfile.AsOwner(filepath.Dir(path), f) })
	}
	var unlock func()
	perm := fs.FileMode(0o644)
	var f *File
	var st fs.FileInfo
	err = asOwner(func() (err error) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if unlock, err = atomicfile.LockWait(path+".lock", editWait); err != nil {
			return err
		}
		f, err = Load(path)
		if errors.Is(err, fs.ErrNotExist) {
			f, err = defaultSyntax(path), nil
		}
		if now, e := os.Stat(path); e == nil {
			st, perm = now, now.Mode().Perm()
		}
		return err
	})
	if unlock != nil {
		defer unlock()
	}
	if err != nil {
		return err
	}
	before := f.Bytes()
	if err := edit(f); err != nil {
		return err
	}
	if bytes.Equal(before, f.src) {
		return nil
	}
	return asOwner(func() error {
		if err := atomicfile.WriteFile(path, f.src, perm); err != nil {
			return err
		}
		if st != nil {
			keepOwner(path, st)
		}
		return nil
	})
}
