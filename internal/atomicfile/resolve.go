package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrLinks is the error for a file that has more than one name: whoever writes
// one name anew leaves the old content under the others.
var ErrLinks = errors.New("has more than one name")

// Resolve returns the one name of a file that WriteFile and Lock may be given:
// symbolic links are followed, and a file with further hard links, or a link to
// nothing, is refused (ErrLinks). A file that does not exist yet is no error.
func Resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		// A file that is no link has come meanwhile; so has what a link leads to.
		if st, err := os.Lstat(path); err == nil && st.Mode().Type() == fs.ModeSymlink {
			if _, err := os.Stat(path); err != nil {
				return "", fmt.Errorf("%w: it is a symbolic link to nothing", ErrLinks)
			}
			return Resolve(path)
		}
		return path, nil
	}
	if err != nil {
		return "", err
	}
	st, err := os.Stat(real)
	if err != nil || !st.Mode().IsRegular() {
		return real, nil // whoever opens it finds the better words
	}
	if n := links(real, st); n > 1 {
		return "", fmt.Errorf("%w: %d hard links", ErrLinks, n)
	}
	return real, nil
}
