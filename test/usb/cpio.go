package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// archive writes the machine's first root file system: the cpio format that the
// kernel unpacks ("newc").
type archive struct {
	w    *bufio.Writer
	n    uint32
	size int64
	dirs map[string]bool
	err  error
}

func newArchive(w io.Writer) *archive {
	return &archive{w: bufio.NewWriter(w), dirs: map[string]bool{"": true}}
}

const (
	dirMode  = 0o040755
	fileMode = 0o100000
	linkMode = 0o120777
)

// file adds a file of the host.
func (a *archive) file(name, from string, perm os.FileMode) {
	b, err := os.ReadFile(from)
	if err != nil && a.err == nil {
		a.err = err
		return
	}
	a.text(name, b, perm)
}

func (a *archive) text(name string, b []byte, perm os.FileMode) {
	a.dir(path.Dir(name))
	a.entry(name, fileMode|uint32(perm.Perm()), b)
}

func (a *archive) link(name, to string) {
	a.dir(path.Dir(name))
	a.entry(name, linkMode, []byte(to))
}

// dir adds a folder and those that it is in, once.
func (a *archive) dir(name string) {
	name = strings.Trim(path.Clean(name), "/")
	if name == "." || a.dirs[name] {
		return
	}
	a.dir(path.Dir(name))
	a.dirs[name] = true
	a.entry(name, dirMode, nil)
}

func (a *archive) entry(name string, mode uint32, b []byte) {
	if a.err != nil {
		return
	}
	a.n++
	name = strings.TrimPrefix(name, "/")
	// magic, inode, mode, uid, gid, links, mtime, size, device and its own, name, no sum
	a.printf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", a.n, mode, 0, 0, 1, 0, len(b), 0, 0, 0, 0, len(name)+1, 0)
	a.printf("%s\x00", name)
	a.pad()
	a.write(b)
	a.pad()
}

// close ends the archive.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, nil)
	if a.err != nil {
		return a.err
	}
	return a.w.Flush()
}

func (a *archive) printf(format string, args ...any) { a.write(fmt.Appendf(nil, format, args...)) }

func (a *archive) pad() { a.write(make([]byte, -a.size&3)) }

func (a *archive) write(b []byte) {
	if a.err != nil {
		return
	}
	n, err := a.w.Write(b)
	a.size += int64(n)
	a.err = err
}
