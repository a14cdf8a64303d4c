//go:build !linux

package service

import (
	"os"
	"path/filepath"
	"strings"

	"openped/internal/atomicfile"
	"openped/internal/rundir"
)

// Where the manager keeps no words of a service they are in a file of its run
// folder. What is there is the service's: it is read with a bound and shown as
// somebody's words.
const saidFile = "said"

const maxSaid = 4 << 10 // bytes

func saidPath(name string) (string, error) {
	d, err := rundir.Service(name)
	return filepath.Join(d.Run, saidFile), err
}

// say writes a service's words. Losing them costs the words only.
func say(name, words string) {
	if path, err := saidPath(name); err == nil {
		_ = atomicfile.WriteFile(path, []byte(words), 0o644)
	}
}

// removeSaid removes what an earlier start has said.
func removeSaid(name string) {
	if path, err := saidPath(name); err == nil {
		_ = atomicfile.AsOwner(filepath.Dir(path), func() error { return os.Remove(path) })
	}
}

func said(name string) string {
	path, err := saidPath(name)
	if err != nil {
		return ""
	}
	b := make([]byte, maxSaid)
	n := 0
	_ = atomicfile.AsOwner(filepath.Dir(path), func() error {
		if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() {
			return err // a pipe could be waited for in vain
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err = f.Read(b)
		return err
	})
	return string(b[:n])
}

// fileSelf is the Self of a service whose words go to the file, and to further
// ears.
func fileSelf(name string, also func(event, string)) *Self {
	return &Self{tell: func(e event, status string) {
		say(name, status)
		if also != nil {
			also(e, status)
		}
	}}
}

// serving reports whether the service serves, or what it said of why not. A
// process alone means nothing: it may be about to say why it ends.
func serving(st State) (ready bool, cause string) {
	if cause, failed := strings.CutPrefix(st.Said, failedMark); failed {
		return false, cause
	}
	return st.Phase == Running && strings.HasPrefix(st.Said, serves), ""
}
