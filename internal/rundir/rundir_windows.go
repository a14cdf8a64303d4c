package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"openped/internal/atomicfile"
	"openped/internal/winacl"
)

// Privileged reports whether this user may manage services.
func Privileged() bool { return windows.GetCurrentProcessToken().IsElevated() }

// programData returns the folder of programs' data as the system knows it: a
// variable of that name is whoever's who starts a program.
func programData() (string, error) {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, windows.KF_FLAG_DEFAULT)
	if err != nil {
		return "", fmt.Errorf("folder of programs' data: %w", err)
	}
	return dir, nil
}

// canonical is a service's name as its folders have it: Windows sees no difference
// between large and small letters, and files are found by name elsewhere.
func canonical(name string) string { return strings.ToLower(name) }

// runs reports whether there is the service whose folders these are: they stay when
// it does not run.
func runs(d Dirs) bool { return installed(d.Service) }

// installed reports whether there is a service of that name, running or not.
func installed(name string) bool {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, `SYSTEM\CurrentControlSet\Services\`+name, registry.QUERY_VALUE)
	if err != nil {
		return errors.Is(err, windows.ERROR_ACCESS_DENIED)
	}
	return k.Close() == nil
}

func service(name string) (Dirs, error) {
	all, err := programData()
	if err != nil {
		return Dirs{}, err
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
	if all, err := programData(); err == nil {
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

func mkdirAll(dir string, perm os.FileMode) error { return atomicfile.MkdirAll(dir, perm) }

// protect makes the folders below %ProgramData%, where everybody may make some, and
// sets their access lists: what lies there is administrators' and, in a service's
// own folder, the service's; the configuration everybody may read. Only
// administrators can do that; the service finds it done.
func (d Dirs) protect() error {
	all, err := programData()
	if err != nil || !Privileged() || d.Config == "" || !sameFolder(filepath.Dir(d.Config), all) {
		return nil
	}
	top := winacl.Private(winacl.Administrators)
	if err := own(d.Config, append(top, winacl.Entry{SID: winacl.Users, Rights: winacl.Read, Passed: winacl.TopOnly})); err != nil {
		return err
	}
	if d.Service == "" {
		return nil
	}
	return own(d.Data, append(top, winacl.Entry{SID: winacl.ServiceSID(d.Service), Rights: winacl.Modify}))
}

func sameFolder(a, b string) bool { return strings.EqualFold(filepath.Clean(a), filepath.Clean(b)) }

// own makes a folder with these entries, or sets them on one that is there, unless
// somebody without rights could have made it: he might have files in it open.
func own(dir string, entries []winacl.Entry) error {
	err := winacl.Mkdir(dir, entries...)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner, _, err := winacl.Of(dir)
	if err != nil {
		return err
	}
	me, err := winacl.User()
	if err != nil {
		return err
	}
	if !fi.IsDir() || !winacl.Among(owner, me, winacl.System, winacl.Administrators) {
		return fmt.Errorf("%w: %s was there, and is %s's; look at what is in it and remove it", ErrUnsafe, dir, owner)
	}
	return winacl.Set(dir, entries...)
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
	if !winacl.Among(owner, me, winacl.System, winacl.Administrators) && !(Privileged() && (client || winacl.IsService(owner))) {
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

// MakeTop has nothing to do: protect makes the folder that services share.
func MakeTop(string) error { return nil }
