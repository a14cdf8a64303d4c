package rundir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Env names the variable that puts everything in one folder, for tests, demos
// and a second set of daemons on one host.
const Env = "OPENPED_RUNDIR"

// maxSocketPath is what fits in a unix socket address on every platform.
const maxSocketPath = 103

// Dirs are the folders of one set of daemons.
type Dirs struct {
	Run    string // sockets and locks; may vanish at a reboot
	State  string // logs
	Config string // configuration files
	System string // looked into for a configuration file that Config has not; may be empty
	Data   string // identity and registered certificates
	// Service is the name of the service whose folders they are; empty for those
	// of a user.
	Service string
}

// Find returns the folders for this user without making them.
func Find() (Dirs, error) {
	if d := os.Getenv(Env); d != "" {
		abs, err := filepath.Abs(d)
		if err != nil {
			return Dirs{}, fmt.Errorf("%s: %w", Env, err)
		}
		return Dirs{Run: abs, State: abs, Config: abs, Data: abs}, nil
	}
	return platform()
}

// Lock returns the path of the lock file called name in the run folder.
func (d Dirs) Lock(name string) string { return filepath.Join(d.Run, name) }

// Socket returns the path of the socket called name: a unix socket in the run
// folder, which fails if it is longer than a socket's address can be, or on Windows
// a pipe with a name made from it.
func (d Dirs) Socket(name string) (string, error) {
	if windowsPipes {
		return pipePath(d.Run, name), nil
	}
	p := filepath.Join(d.Run, name)
	if len(p) > maxSocketPath {
		return "", fmt.Errorf("socket path %s is %d bytes long and may be %d: choose a shorter folder with %s", p, len(p), maxSocketPath, Env)
	}
	return p, nil
}

// pipePath tells the pipes of different run folders apart. All pipes of a computer
// have their names in one place.
func pipePath(run, name string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(run)))
	return `\\.\pipe\openped-` + hex.EncodeToString(sum[:8]) + "-" + name
}

// ConfigFile returns the path of the configuration file called name: the one in
// Config, unless only System has one.
func (d Dirs) ConfigFile(name string) string {
	own := filepath.Join(d.Config, name)
	if d.System == "" {
		return own
	}
	if _, err := os.Stat(own); !errors.Is(err, fs.ErrNotExist) {
		return own
	}
	system := filepath.Join(d.System, name)
	if _, err := os.Stat(system); err == nil {
		return system
	}
	return own
}

// Make creates run and state folder with mode 0750 where they are missing, and checks
// the run folder with Check.
func (d Dirs) Make() error {
	if err := d.protect(); err != nil {
		return err
	}
	if err := mkdirAll(d.Run, 0o750); err != nil {
		return fmt.Errorf("run folder: %w; name another one with %s", err, Env)
	}
	// A state folder that can not be made costs the log file only: the daemon
	// says so when it opens the log.
	_ = mkdirAll(d.State, 0o750)
	return Check(d.Run)
}

// ErrUnsafe is wrapped by the error for a folder that others can write to.
var ErrUnsafe = errors.New("folder is not safe for sockets")

// Check returns an error wrapping ErrUnsafe if dir belongs to another user
// (root excepted) or if others may write to it: the rule of a daemon.
func Check(dir string) error { return checkDir(dir, false) }

// CheckClient is Check for a program that calls a daemon: root may call the
// daemons of every user.
func CheckClient(dir string) error { return checkDir(dir, true) }

func checkDir(dir string, client bool) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	if !fi.IsDir() {
		return fmt.Errorf("run folder %s: not a folder", dir)
	}
	return check(dir, fi, client)
}

// CheckServer returns an error wrapping ErrUnsafe unless a server of this user is
// who it seems in the run folder. Whose folder it is decides: in a user's, or a
// service's, only that user serves, and not even root; who is led from there to
// another's server by a link hears that it is another's. In root's folder it may be
// root, this process's user, or somebody, in folders that nobody else could have put
// it into. On Windows the user owns the server's pipe, which can not be a link; he
// may be administrators or the service too. An empty user is one that the platform
// does not tell: then it is CheckClient's rule.
func (d Dirs) CheckServer(user string) error {
	if user == "" {
		return CheckClient(d.Run)
	}
	return d.checkServer(user)
}

// CheckDaemon is CheckServer for administration, in which nothing secret is said:
// root calls whatever daemon has the folder, wherever that is.
func (d Dirs) CheckDaemon(user string) error {
	err := d.CheckServer(user)
	if err != nil && ownsFolder(d.Run, user) && CheckClient(d.Run) == nil {
		return nil
	}
	return err
}

// CheckSocket returns an error wrapping ErrUnsafe if something else than a socket is
// at path, such as a link to another daemon's. Nothing at all is no error.
func CheckSocket(path string) error {
	if windowsPipes {
		return nil
	}
	fi, err := os.Lstat(path)
	if err == nil && fi.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%w: %s is no socket", ErrUnsafe, path)
	}
	return nil // whoever opens it finds the better words
}

// CheckMode returns an error wrapping ErrUnsafe if others than its owner may write
// to the run folder. One that is not there, or that this user can not look at, is
// no error: there is nothing to find.
func (d Dirs) CheckMode() error {
	fi, err := os.Stat(d.Run)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return nil
	case err != nil:
		return fmt.Errorf("run folder: %w", err)
	case !fi.IsDir():
		return fmt.Errorf("run folder %s: not a folder", d.Run)
	}
	return checkMode(d.Run, fi)
}
