package admin

import "openped/internal/localsock"

const superuser = "an administrator"

// groupOf returns the group that services let in by default, if there is one.
// Which it is can not be read by who may not.
func groupOf(string, string) string {
	if _, err := localsock.Group(localsock.WindowsGroup, "-admingroup"); err != nil {
		return ""
	}
	return localsock.WindowsGroup
}
