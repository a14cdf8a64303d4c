package lab

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Disk is a small disk of a test's own, in memory.
type Disk struct {
	t   testing.TB
	Dir string // where it is mounted
}

// NewDisk mounts an empty disk of a size in bytes on dir, which has to be there.
// Programs see it that are started afterwards. Where it cannot be made the test
// is skipped, in CI it fails.
func NewDisk(t testing.TB, dir string, size string) *Disk {
	t.Helper()
	if os.Geteuid() != 0 {
		Lacks(t, "a disk of its own needs root")
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		Lacks(t, "a disk of its own needs the right to mount: "+err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return &Disk{t: t, Dir: dir}
}

const filler = "filler"

// Fill leaves room for n bytes, rounded down to pages.
func (d *Disk) Fill(n int) {
	d.t.Helper()
	f, err := os.OpenFile(filepath.Join(d.Dir, filler), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for {
		_, err := f.Write(block)
		if errors.Is(err, unix.ENOSPC) {
			break
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
	fi, err := f.Stat()
	if err == nil {
		err = f.Truncate(max(0, fi.Size()-int64(n)))
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// Free makes room again.
func (d *Disk) Free() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.Dir, filler)); err != nil {
		d.t.Fatal(err)
	}
}

// Seal makes the disk read-only for everybody, root too, and Unseal undoes it.
// It fails while a file on it is open for writing.
func (d *Disk) Seal()   { d.t.Helper(); d.remount(unix.MS_RDONLY) }
func (d *Disk) Unseal() { d.t.Helper(); d.remount(0) }

func (d *Disk) remount(flags uintptr) {
	d.t.Helper()
	if err := unix.Mount("", d.Dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
		d.t.Fatal(err)
	}
}
