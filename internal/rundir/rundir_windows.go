package rundir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

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

// The folder inherits the access list of the user's profile.
func check(string, os.FileInfo, bool) error { return nil }

func checkServer(string, int) error { return nil }
