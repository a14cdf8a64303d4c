// Command pedclient runs the HSM slots of this host and connects them to remote
// PEDs.
package main

import (
	"fmt"
	"os"

	"openped/internal/secret"
	"openped/pedclient/cli"
	"openped/usbped/libusb"
)

func main() {
	if err := secret.DisableDumps(); err != nil {
		fmt.Fprintln(os.Stderr, "pedclient: warning: core dumps can not be switched off:", err)
	}
	cli.USB = libusb.Open
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}
