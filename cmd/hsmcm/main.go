// Command hsmcm is the HSM administrator's console; docs/cli/hsmcm.md.
package main

import (
	"os"

	"openped/hsmcm"
)

func main() {
	os.Exit(hsmcm.Run(os.Args[1:], hsmcm.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, hsmcm.DialSocket))
}
