package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"openped/internal/atomicfile"
)

// maxServiceName bounds a service's name: it becomes part of socket paths and of
// Windows' account names.
const maxServiceName = 40

// CheckServiceName returns an error for what can not be the name of a service, a
// unit, a folder and an account at once.
func CheckServiceName(name string) error {
	ok := name != "" && len(name) <= maxServiceName && name[0] != '-'
	for _, c := range name {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-')
	}
	if !ok {
		return fmt.Errorf("must be 1 to %d letters, digits, _ and -, and not begin with -", maxServiceName)
	}
	return nil
}

// Service returns the folders of the service called name, which is its own in
// each of them: whoever looks for it finds it without being its user.
func Service(name string) (Dirs, error) {
	if err := CheckServiceName(name); err != nil {
		return Dirs{}, fmt.Errorf("service name: %w", err)
	}
	name = canonical(name)
	d, err := service(name)
	d.Service = name
	return d, err
}

// ServiceConfigFile returns the path of the configuration file of a service's
// program, which calls its file base: that file for the service that has the
// program's name, a file named after the service for others.
func (d Dirs) ServiceConfigFile(program, base string) string {
	if d.Service != program {
		base = "openped-" + d.Service + ".conf"
	}
	return filepath.Join(d.Config, base)
}

// FindDaemon returns the folders of the daemon of a program that this user means
// when nothing else is said: of one of the user's own if it runs; else of the
// service with the program's name, if it runs or is this user's to manage; else the
// user's.
func FindDaemon(program string) (Dirs, error) {
	own, err := Find()
	if err != nil || os.Getenv(Env) != "" {
		return own, err
	}
	if _, held, err := atomicfile.Holder(own.Lock(program + ".lock")); err == nil && held {
		return own, nil
	}
	theirs, err := Service(program)
	if err == nil && (runs(theirs) || Privileged() && installed(program)) {
		return theirs, nil
	}
	return own, nil
}

// there reports whether a folder is there, though this user may not enter it.
func there(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil || errors.Is(err, fs.ErrPermission)
}
