//go:build linux

package cli

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"openped/internal/admin/admintest"
	"openped/usbped/usbpedtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pedserver": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
		"fakeped":   usbpedtest.ServeIdle,
		"occupy":    occupy,
		"inuse":     inUse,
	})
}

func TestScripts(t *testing.T) { admintest.Run(t, name) }

// TestOrdinaryUser runs the scripts as somebody who is not root.
func TestOrdinaryUser(t *testing.T) { admintest.AsOrdinaryUser(t, "TestOrdinaryUser") }

// occupy holds a TCP port until it is killed.
func occupy() {
	if _, err := net.Listen("tcp", ":"+os.Args[1]); err != nil {
		os.Exit(1)
	}
	select {}
}

// inUse prints a word when somebody listens on a port.
func inUse() {
	c, err := net.Dial("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		os.Exit(1)
	}
	c.Close()
	fmt.Println("port in use")
}
