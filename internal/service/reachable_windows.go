package service

import (
	"fmt"
	"path/filepath"

	"openped/internal/winacl"
)

// reachable refuses a program that others than administrators could put another one
// in place of, or a library beside.
func reachable(exe string) error {
	trusted := []string{winacl.System, winacl.Administrators}
	if me, err := winacl.User(); err == nil && !winacl.Split() {
		trusted = append(trusted, me) // never without an administrator's rights
	}
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
			return fmt.Errorf(`%s can be changed by others than administrators (%s): copy %s to a folder in C:\Program Files first`, p, who, exe)
		}
		switch up := filepath.Dir(p); {
		case up == p:
			return nil
		case p != exe: // to add something there changes nothing below
			rights &^= winacl.Add
		}
	}
}
