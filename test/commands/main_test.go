//go:build linux

package commands

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"openped/internal/admin/admintest"
	pedclient "openped/pedclient/cli"
	pedserver "openped/pedserver/cli"
	"openped/usbped/usbpedtest"
)

// TestMain makes this test the programs too, under every name that they are known
// by.
func TestMain(m *testing.M) {
	server := func() { os.Exit(pedserver.Main(os.Args[1:], os.Stdout, os.Stderr)) }
	client := func() { os.Exit(pedclient.Main(os.Args[1:], os.Stdout, os.Stderr)) }
	testscript.Main(m, map[string]func(){
		"pedserver": server, "pedServer": server, "PedServer": server,
		"pedclient": client, "pedClient": client, "PedClient": client,
		"fakeped": usbpedtest.ServeIdle, "get": get,
	})
}

func TestScripts(t *testing.T) { admintest.Run(t, "pedserver", "pedclient") }

// TestOrdinaryUser runs all of it as somebody who is not root.
func TestOrdinaryUser(t *testing.T) { admintest.AsOrdinaryUser(t, "TestOrdinaryUser") }

// get prints what is at an address of HTTP, or on a socket of this computer.
func get() {
	c := http.Client{Timeout: 10 * time.Second}
	if socket := os.Args[2:]; len(socket) > 0 {
		c.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket[0])
		}}
	}
	r, err := c.Get(os.Args[1])
	if err == nil {
		_, err = io.Copy(os.Stdout, r.Body)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
