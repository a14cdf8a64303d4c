package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const tempSuffix = ".tmp"

// WriteFile replaces the content of path by data, or changes nothing: a
// temporary file in the same folder, fsync, rename, fsync of the folder. The
// file gets exactly the permissions perm, the umask notwithstanding; in another
// user's folder root writes it as that user (AsOwner). A symbolic
// link at path is replaced, not followed; what is no file is refused.
//
// On an error the old content is still there and no temporary file is left,
// with one exception that the platform forces: when the last step, the fsync
// of the folder, fails, the new content is in place but may not survive a loss
// of power. Temporary files that a killed process left beside path are removed.
// Concurrent writers do no harm to the file, but the last one wins: hold Lock
// where that matters.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	return writeFile(path, data, perm, func(f *os.File) io.Writer { return f })
}

// writeFile takes the writer to write through, so that tests can let it fail.
func writeFile(path string, data []byte, perm fs.FileMode, through func(*os.File) io.Writer) error {
	return AsOwner(filepath.Dir(path), func() error { return replaceBy(path, data, perm, through) })
}

func replaceBy(path string, data []byte, perm fs.FileMode, through func(*os.File) io.Writer) error {
	dir, base := filepath.Dir(path), filepath.Base(path)
	if st, err := os.Lstat(path); err == nil && st.IsDir() {
		return fmt.Errorf("write %s: %w", path, errIsDir)
	} else if err == nil && !st.Mode().IsRegular() && st.Mode().Type() != fs.ModeSymlink {
		return fmt.Errorf("write %s: %w", path, errNoFile) // /dev/null must not become a file
	}
	removeStale(dir, base)
	f, err := writeTemp(dir, base, data, perm, through)
	if err == nil {
		if err = replace(f, path); err != nil {
			os.Remove(f.Name())
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("write %s: new content is in place but may not survive a power loss: %w", path, cause(err))
	}
	return nil
}

var (
	errIsDir  = errors.New("is a folder")
	errNoFile = errors.New("is a device or the like, and no file can take its place")
)

// writeTemp writes data to a new file beside base and returns it open and
// locked; on an error it leaves no file.
func writeTemp(dir, base string, data []byte, perm fs.FileMode, through func(*os.File) io.Writer) (f *os.File, err error) {
	if f, err = ownTemp(dir, base, perm); err != nil {
		return nil, err
	}
	if err = f.Chmod(perm); err == nil {
		if _, err = through(f).Write(data); err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	return f, nil
}

// ownTemp makes a temporary file that nobody takes for a dead writer's: it is
// locked, and was there still when it was. Another process may have looked at it
// in the moment before the lock; then there is a new one. The lock goes with the
// file descriptor.
func ownTemp(dir, base string, perm fs.FileMode) (*os.File, error) {
	for range 1000 {
		f, err := createTemp(dir, "."+base+".", perm)
		if err != nil {
			return nil, err
		}
		locked := tryLock(f)
		if locked != nil && !errors.Is(locked, ErrLocked) {
			return f, nil // a file system without locks: nobody can remove it either
		}
		mine, err := f.Stat()
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			return nil, err
		}
		if there, err := os.Lstat(f.Name()); locked == nil && err == nil && os.SameFile(mine, there) {
			return f, nil
		}
		f.Close()
		os.Remove(f.Name())
	}
	return nil, errors.New("temporary files are being removed by another program")
}

// removeStale removes the temporary files of base that no living process
// holds. It is housekeeping: what it cannot do is left undone.
func removeStale(dir, base string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		middle, ok := strings.CutPrefix(e.Name(), "."+base+".")
		if !ok || !e.Type().IsRegular() {
			continue
		}
		if middle, ok = strings.CutSuffix(middle, tempSuffix); !ok || !digits(middle) {
			continue
		}
		f, err := openFile(filepath.Join(dir, e.Name()), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if tryLock(f) == nil {
			removeAndClose(f)
		} else {
			f.Close()
		}
	}
}

// digits reports whether s is what os.CreateTemp puts in place of the star.
func digits(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// cause strips the temporary file's name from an error: the caller asked for
// another file.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}
