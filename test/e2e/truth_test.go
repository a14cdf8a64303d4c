package e2e

import (
	"fmt"
	"strings"

	"openped/test/lab"
)

// both checks what the two sides say of their link: `ped show` of the console,
// and the client's line of `pedserver -mode show`.
func both(l *lab.Lab, rack, desk string) error {
	out, err := l.HSMCM("ped", "show")
	if err != nil {
		return err
	}
	if !strings.Contains(out, rack) {
		return fmt.Errorf("ped show does not say %q:\n%s", rack, out)
	}
	out, err = l.Run("pedserver", "-mode", "show")
	if err != nil {
		return err
	}
	if !strings.Contains(out, desk) {
		return fmt.Errorf("pedserver -mode show does not say %q:\n%s", desk, out)
	}
	return nil
}
