package cli

import (
	"fmt"
	"io"

	"openped/pedclient"
)

// Do implements daemon.Doer: createhsm.
func (j *job) Do(_ string, stdout io.Writer) error {
	c, err := pedclient.CreateHSM(j.hsm[0], j.serial, j.firmware, j.origin)
	if err != nil {
		return err
	}
	if c.NewRoot {
		fmt.Fprintf(stdout, "Origin root created:  %s\n", c.RootFile)
		fmt.Fprintf(stdout, "  Its private key is in %s. Whoever has that can make HSMs that PEDs believe: keep it offline.\n", c.KeyFile)
	} else {
		fmt.Fprintf(stdout, "Origin root used:     %s\n", c.RootFile)
	}
	fmt.Fprintf(stdout, "Virtual HSM created:  %s (serial %s, firmware %s)\n", j.hsm[0], j.serial, j.firmware)
	fmt.Fprintf(stdout, `Next steps:
  1. pedclient -mode start -hsm %s
  2. give the PED the origin root (softped -root %s)
  3. hsmcm ped connect -ip <address of the PEDserver> -password
  4. hsmcm ped vector init
`, j.hsm[0], c.RootFile)
	return nil
}
