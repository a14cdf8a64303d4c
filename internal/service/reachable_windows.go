package service

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

// reachable refuses a program that others than administrators and the one who installs
// it could put another one in place of, or a library beside. In the folders of users
// his own programs, which need not be elevated, could; the service sees nothing there.
func reachable(exe string) error {
	if users, err := windows.KnownFolderPath(windows.FOLDERID_UserProfiles, windows.KF_FLAG_DEFAULT); err == nil && below(exe, users) {
		return fmt.Errorf(`a service sees nothing in %s, where %s is: %s`, users, exe, elsewhere)
	}
	me, err := winacl.User()
	if err != nil {
		return err
	}
	trusted := []string{me, winacl.System, winacl.Administrators}
	rights := uint32(winacl.Change)
	for p := exe; ; p = filepath.Dir(p) {
		owner, entries, err := winacl.Of(p)
		if err != nil {
			return fmt.Errorf("who may change %s: %w", p, err)
		}
		who := winacl.Stranger(entries, rights, trusted...)
		if who == "" && !winacl.Among(owner, trusted...) && !winacl.IsService(owner) {
			who = owner
		}
		if who != "" {
			return fmt.Errorf("%s can be changed by others than administrators (%s): %s", p, who, elsewhere)
		}
		switch up := filepath.Dir(p); {
		case up == p:
			return nil
		case p != exe: // to add something there changes nothing below
			rights &^= winacl.Add
		}
	}
}

const elsewhere = `copy the program to a folder in C:\Program Files first`

func below(path, folder string) bool {
	folder = strings.TrimRight(folder, `\`) + `\`
	return len(path) > len(folder) && strings.EqualFold(path[:len(folder)], folder)
}
