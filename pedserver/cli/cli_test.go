//go:build linux

package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"openped/internal/admin/admintest"
	"openped/protocol"
	"openped/usbped"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pedserver": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
		"fakeped":   fakePED,
		"occupy":    occupy,
		"inuse":     inUse,
	})
}

func TestScripts(t *testing.T) { admintest.Run(t, name) }

// TestOrdinaryUser runs the scripts as somebody who is not root.
func TestOrdinaryUser(t *testing.T) { admintest.AsOrdinaryUser(t, "TestOrdinaryUser") }

// fakePED serves a software PED on a socket until it is killed.
func fakePED() {
	l, err := net.Listen("unix", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		g := usbped.NewGadget(c, usbped.Info{Serial: "P1", Firmware: "2.9.0", Software: true})
		go func() {
			for {
				m, err := g.Recv(context.Background())
				if err != nil {
					return
				}
				if m.Kind != usbped.HostFrame {
					_ = g.SendEvent(context.Background(), protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote})
					_ = g.SendCanceled(context.Background(), m.Token)
				}
			}
		}()
	}
}

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
