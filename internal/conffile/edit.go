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
// nothing, the file is not touched.
func Edit(path string, edit func(*File) error) error {
	real, err := atomicfile.Resolve(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	path = real
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	unlock, err := atomicfile.LockWait(path+".lock", editWait)
	if err != nil {
		return err
	}
	defer unlock()
	perm := fs.FileMode(0o644)
	f, err := Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f = defaultSyntax(path)
	case err != nil:
		return err
	}
	st, statErr := os.Stat(path)
	if statErr == nil {
		perm = st.Mode().Perm()
	}
	before := f.Bytes()
	if err := edit(f); err != nil {
		return err
	}
	if bytes.Equal(before, f.src) {
		return nil
	}
	if err := atomicfile.WriteFile(path, f.src, perm); err != nil {
		return err
	}
	if statErr == nil {
		keepOwner(path, st)
	}
	return nil
}
