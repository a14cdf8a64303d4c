// Command pedserver relays between the PED of this workstation and HSM hosts.
package main

import (
	"os"

	"openped/pedserver/cli"
	"openped/usbped/libusb"
)

func main() {
	cli.USB = libusb.Open
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}
