package localsock

// Superuser is who may everything.
const Superuser = "an administrator"

// letsIn returns the group that services let in by default, if there is one. Which
// it is can not be read by who may not.
func letsIn(string, string) string {
	if _, err := Group(WindowsGroup, ""); err != nil {
		return ""
	}
	return WindowsGroup
}
