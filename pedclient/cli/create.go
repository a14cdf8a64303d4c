package cli

import (
	"fmt"

	"openped/hsm"
	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/pedclient"
)

// createHSM makes a virtual HSM.
func createHSM(call *daemon.Call) error {
	v, stdout := call.Values, call.Stdout
	serial := v.Text("serial")
	if len(v.List("hsm")) != 1 {
		return &cmdline.UsageError{Msg: "createhsm makes one HSM", Hint: "give -hsm <file> once"}
	}
	call.Launched("")
	file := v.List("hsm")[0]
	auth, ok := hsm.ParseAuth(v.Text("auth"))
	if !ok { // the table has it that there is no other
		auth = hsm.AuthPED
	}
	c, err := pedclient.CreateHSM(file, serial, v.Text("firmware"), v.Text("origin"), auth)
	if err != nil {
		return err
	}
	if c.NewRoot {
		fmt.Fprintf(stdout, "Origin root created:  %s\n", c.RootFile)
		fmt.Fprintf(stdout, "  Its private key is in %s. Whoever has that can make HSMs that PEDs believe: keep it offline.\n", c.KeyFile)
	} else {
		fmt.Fprintf(stdout, "Origin root used:     %s\n", c.RootFile)
	}
	fmt.Fprintf(stdout, "Virtual HSM created:  %s (serial %s, firmware %s)\n", file, serial, v.Text("firmware"))
	if auth == hsm.AuthPassword {
		fmt.Fprintf(stdout, "It is password-authenticated: it has no Remote PED, and nothing of it is done at one.\n")
		return nil
	}
	fmt.Fprintf(stdout, `Next steps:
  1. pedclient -mode start -hsm %s
  2. give the PED the origin root (softped -root %s)
  3. hsmcm ped connect -ip <address of the PEDserver> -password
  4. hsmcm ped vector init
`, file, c.RootFile)
	return nil
}
