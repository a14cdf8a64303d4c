package localsock

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestGiveNothingElse: what somebody puts in the place of the new socket, in a
// folder that he may write to, is not given to the group.
//
// Without O_NOFOLLOW and the look at what it is (give) the file becomes the group's.
func TestGiveNothingElse(t *testing.T) {
	dir := folder(t)
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o640), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		if give(path, os.Getegid()+1) == nil {
			t.Errorf("%s was given away", path)
		}
		fi, err := os.Lstat(path)
		if err != nil || int(fi.Sys().(*syscall.Stat_t).Gid) != os.Getegid() {
			t.Errorf("%s: %v %v", path, fi, err)
		}
	}
}
