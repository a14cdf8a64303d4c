// Command pedserver relays between the PED of this workstation and HSM hosts.
package main

import (
	"os"

	"openped/pedserver/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
