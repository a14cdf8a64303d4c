// Command softped is a PED in software; docs/cli/softped.md.
package main

import (
	"os"

	"openped/softped/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
