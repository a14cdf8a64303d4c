package rundir

import (
	"fmt"
	"os"
	"path/filepath"
)

func platform() (Dirs, error) {
	base, err := os.UserCacheDir() // %LOCALAPPDATA%
	if err != nil {
		return Dirs{}, fmt.Errorf("%w; set %s", err, Env)
	}
	state := filepath.Join(base, "openped")
	return Dirs{Run: filepath.Join(state, "run"), State: state}, nil
}

// The folder inherits the access list of the user's profile.
func check(string, os.FileInfo, bool) error { return nil }

func checkServer(string, int) error { return nil }
