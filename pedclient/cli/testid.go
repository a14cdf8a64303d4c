package cli

import (
	"fmt"

	"openped/certs/linkid"
	"openped/certs/linkid/linkcmd"
	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/rc"
	"openped/pedclient"
)

// testID calls the PEDserver of a PED ID. It needs no running pedclient.
func testID(c *daemon.Call) error {
	ids, err := readIDs(c.ConfigPath)
	if err != nil {
		return err
	}
	n := c.Values.Int("id")
	id, ok := ids.Lookup(n)
	if !ok {
		return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.NotRegistered, Err: fmt.Errorf("there is no PED ID %d", n), Hint: fmt.Sprintf("make it with -mode setid -id %d", n)}
	}
	p := pedclient.Prober{Timeout: c.Values.Seconds("socketreadtimeout")}
	if id.TLS {
		if p.Identity, err = linkcmd.Identity(c.Values); err != nil {
			return err
		}
		if p.PEDServers, err = linkid.ReadRegistry(c.ConfigPath, linkid.PEDServer); err != nil {
			c.Warn(err.Error())
		}
	}
	c.Launched("")
	r, failed := p.Probe(c.Context(), id.Target())
	if c.JSON() {
		if err := c.Print(r); err != nil {
			return err
		}
		return failed
	}
	r.Show(c.Stdout)
	return failed
}
