// Command hsmcm is the HSM administrator's console; docs/cli/hsmcm.md.
package main

import (
	"fmt"
	"os"

	"openped/hsmcm"
	"openped/internal/secret"
)

func main() {
	// It holds one-time passwords.
	if err := secret.DisableDumps(); err != nil {
		fmt.Fprintln(os.Stderr, "hsmcm: warning: core dumps can not be switched off:", err)
	}
	os.Exit(hsmcm.Run(os.Args[1:], hsmcm.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, hsmcm.DialSocket))
}
