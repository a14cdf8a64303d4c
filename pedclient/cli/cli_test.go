//go:build linux

package cli

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"openped/internal/admin/admintest"
	"openped/protocol/hsmapi"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pedclient": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
		"slots":     slots,
	})
}

func TestScripts(t *testing.T) { admintest.Run(t, name) }

// TestOrdinaryUser runs the scripts as somebody who is not root.
func TestOrdinaryUser(t *testing.T) { admintest.AsOrdinaryUser(t, "TestOrdinaryUser") }

// slots is a local program that lists the slots.
func slots() {
	c, err := net.Dial("unix", os.Getenv("RUN")+"/"+socketName)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	f, err := hsmapi.NewClient(hsmapi.NewConn(c)).Do(hsmapi.SlotList, nil, hsmapi.Handler{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, g := range f.Groups(hsmapi.TagSlot) {
		serial, _ := g.Text(hsmapi.TagSerial)
		fmt.Println("slot", serial)
	}
}
