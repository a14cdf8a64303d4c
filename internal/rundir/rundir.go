package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// Socket returns the path of a socket called name in the run folder, or an
// error when it is longer than a socket address can be.
func (d Dirs) Socket(name string) (string, error) { return d.path(name) }

func (d Dirs) path(name string) (string, error) {
	p := filepath.Join(d.Run, name)
	if len(p) > maxSocketPath {
		return "", fmt.Errorf("socket path %s is %d bytes long and may be %d: choose a shorter folder with %s", p, len(p), maxSocketPath, Env)
	}
	return p, nil
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
	if err := os.MkdirAll(d.Run, 0o750); err != nil {
		return fmt.Errorf("run folder: %w; name another one with %s", err, Env)
	}
	// A state folder that can not be made costs the log file only: the daemon
	// says so when it opens the log.
	_ = os.MkdirAll(d.State, 0o750)
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

// CheckServer returns an error wrapping ErrUnsafe unless a server of user uid in
// dir is who it seems: root, this user, or somebody whose folder that is, in
// folders that nobody else could have put it into.
func CheckServer(dir string, uid int) error { return checkServer(dir, uid) }
