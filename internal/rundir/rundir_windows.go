package rundir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

// Privileged reports whether this user may manage services.
func Privileged() bool { return windows.GetCurrentProcessToken().IsElevated() }

func service(name string) (Dirs, error) {
	all := os.Getenv("ProgramData")
	if !filepath.IsAbs(all) {
		return Dirs{}, errors.New("the variable ProgramData names no folder")
	}
	top := filepath.Join(all, "openped")
	own := filepath.Join(top, name)
	return Dirs{Run: filepath.Join(own, "run"), State: filepath.Join(own, "log"), Config: top, Data: own}, nil
}

func platform() (Dirs, error) {
	local, err := os.UserCacheDir() // %LOCALAPPDATA%
	if err != nil {
		return Dirs{}, fmt.Errorf("%w; set %s", err, Env)
	}
	state := filepath.Join(local, "openped")
	d := Dirs{Run: filepath.Join(state, "run"), State: state, Data: state}
	if all := os.Getenv("ProgramData"); filepath.IsAbs(all) {
		d.System = filepath.Join(all, "openped")
	}
	if d.System != "" && windows.GetCurrentProcessToken().IsElevated() {
		d.Config, d.Data, d.System = d.System, d.System, ""
		return d, nil
	}
	roaming, err := os.UserConfigDir() // %APPDATA%
	if err != nil {
		return Dirs{}, fmt.Errorf("%w; set %s", err, Env)
	}
	d.Config = filepath.Join(roaming, "openped")
	return d, nil
}

// check refuses a folder that somebody else owns or may change.
func check(dir string, _ os.FileInfo, client bool) error {
	owner, entries, err := winacl.Of(dir)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnsafe, dir, err)
	}
	me, err := winacl.User()
	if err != nil {
		return err
	}
	if !winacl.Among(owner, me, winacl.System, winacl.Administrators) && !(client && windows.GetCurrentProcessToken().IsElevated()) {
		return fmt.Errorf("%w: %s belongs to %s; choose another one with %s", ErrUnsafe, dir, owner, Env)
	}
	if who := winacl.Stranger(entries, winacl.Change, me, owner); who != "" {
		return fmt.Errorf("%w: %s can be changed by %s; choose another one with %s", ErrUnsafe, dir, who, Env)
	}
	return nil
}

// checkMode: no pipe lies in a folder.
func checkMode(string, os.FileInfo) error { return nil }

const windowsPipes = true

// ownsFolder: on Windows administrators have no need of more than CheckServer.
func ownsFolder(string, string) bool { return false }

// checkServer judges by the owner of the server's pipe.
func (d Dirs) checkServer(user string) error {
	me, err := winacl.User()
	if err != nil {
		return err
	}
	trusted := []string{me, winacl.System, winacl.Administrators}
	if d.Service != "" {
		trusted = append(trusted, winacl.ServiceSID(d.Service))
	}
	if !winacl.Among(user, trusted...) {
		return fmt.Errorf("%w: the program that listens for it is %s's", ErrUnsafe, user)
	}
	return nil
}
