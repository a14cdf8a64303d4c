//go:build linux || darwin

package pedclient

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"openped/hsm"
)

// TestCreateForAService: what root makes in a service's folder is its user's, the
// origin root that lies elsewhere is not; and no link of that user's leads root into
// another folder.
//
// It fails without atomicfile.AsOwner in CreateHSM and below it.
func TestCreateForAService(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root works in the folders of others")
	}
	const service = 12345
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	err := errors.Join(os.Chmod(filepath.Dir(top), 0o755), os.Mkdir(at("data"), 0o700), os.Mkdir(at("victim"), 0o755), os.Chown(at("data"), service, service),
		os.Symlink(at("victim"), at("data/link")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateHSM(at("data/hsms/a.hsm"), "1234567", "", at("origin"), hsm.AuthPED); err != nil {
		t.Fatal(err)
	}
	for path, uid := range map[string]uint32{"data/hsms": service, "data/hsms/a.hsm": service, "origin": 0, "origin/origin.key": 0} {
		if fi, err := os.Lstat(at(path)); err != nil || fi.Sys().(*syscall.Stat_t).Uid != uid {
			t.Errorf("%s is not %d's (%v)", path, uid, err)
		}
	}
	for _, c := range [][2]string{{"data/link/b.hsm", "origin"}, {"data/link/new/b.hsm", "origin"}, {"data/b.hsm", "data/link"}, {"data/b.hsm", "data/link/origin"}} {
		if _, err := CreateHSM(at(c[0]), "1234568", "", at(c[1]), hsm.AuthPED); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if names, err := os.ReadDir(at("victim")); err != nil || len(names) > 0 {
		t.Errorf("made in another folder: %v %v", names, err)
	}
}
