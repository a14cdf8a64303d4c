package linkid

import (
	"errors"

	"openped/internal/setting"
)

// checkName returns an error unless name can stand in a file name, in a section
// of a configuration file, and in a certificate.
func checkName(name string) error {
	if name == "" {
		return errors.New("a name has 1 to 64 letters, digits, dots, dashes and underscores")
	}
	return setting.CheckName(name)
}
