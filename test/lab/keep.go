package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// KeepEnv keeps the folders of failed labs when it is set.
const KeepEnv = "OPENPED_KEEP"

// Save stops the daemons and copies what lasts into a new folder that Options.From
// takes: HSMs with their settings, PED keys, the PED's state, the origin root.
func (l *Lab) Save() string {
	l.T.Helper()
	procs := l.Processes()
	slices.Reverse(procs)
	for _, p := range procs {
		p.Stop()
	}
	dir := l.T.TempDir()
	for _, pattern := range []string{"hsm?*", "keys", "ped.state", "origin"} {
		found, err := filepath.Glob(l.Path(pattern))
		if err != nil {
			l.T.Fatal(err)
		}
		for _, from := range found {
			if err := copyOver(filepath.Join(dir, filepath.Base(from)), from); err != nil {
				l.T.Fatal(err)
			}
		}
	}
	return dir
}

// copyOver copies a file or a folder; sockets and the like are left out.
func copyOver(to, from string) error {
	fi, err := os.Lstat(from)
	switch {
	case err != nil:
		return err
	case fi.IsDir():
		return os.CopyFS(to, os.DirFS(from))
	case !fi.Mode().IsRegular():
		return nil
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, fi.Mode().Perm())
}

// close ends everything; a failed test has the ends of all logs printed.
func (l *Lab) close() {
	failed := l.T.Failed()
	if failed {
		l.T.Log(l.Logs(25))
	}
	keep := failed && os.Getenv(KeepEnv) != ""
	if keep {
		l.T.Logf("kept: %s", l.Dir)
	}
	if err := l.Stage.Close(keep); err != nil {
		l.T.Log(err)
	}
}

// Logs is the end of every log of the lab, n lines each.
func (l *Lab) Logs(n int) string {
	var out strings.Builder
	for _, pattern := range []string{"*.log", "*.err"} {
		files, _ := filepath.Glob(l.Path(pattern))
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && len(b) > 0 {
				fmt.Fprintf(&out, "--- %s\n%s\n", filepath.Base(f), tail(string(b), n))
			}
		}
	}
	if p := l.PED(); p != nil {
		out.WriteString("--- screens:")
		shown := p.Since(0)
		for _, s := range shown[max(0, len(shown)-2*n):] {
			out.WriteString(" " + s.ID)
		}
	}
	return out.String()
}
