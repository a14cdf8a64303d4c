package cli

import (
	"fmt"

	"openped/internal/daemon"
	"openped/pedclient"
)

func setID(c *daemon.Call) error {
	v := c.Values
	id := pedclient.PEDID{ID: v.Int("id"), Host: v.Text("id_ip"), Port: v.Int("id_port"), TLS: v.Bool("id_tls")}
	return changeID(c, "Setid", pedclient.SetID(c.ConfigPath, id))
}

func assignID(c *daemon.Call) error {
	return changeID(c, "Assignid", pedclient.AssignID(c.ConfigPath, c.Values.Int("id"), c.Values.Text("id_serialnumber")))
}

func releaseID(c *daemon.Call) error {
	return changeID(c, "Releaseid", pedclient.ReleaseID(c.ConfigPath, c.Values.Int("id")))
}

func deleteID(c *daemon.Call) error {
	return changeID(c, "Deleteid", pedclient.DeleteID(c.ConfigPath, c.Values.Int("id")))
}

// changeID ends a command that has changed the list of PED IDs, or failed to.
func changeID(c *daemon.Call, word string, err error) error {
	if err != nil {
		return err
	}
	c.Launched("")
	c.Changed()
	fmt.Fprintf(c.Stdout, "%s command passed.\n", word)
	return nil
}

func listIDs(c *daemon.Call) error {
	ids, err := readIDs(c.ConfigPath)
	if err != nil {
		return err
	}
	if c.JSON() {
		return c.Print(append([]pedclient.PEDID{}, ids.List()...)) // [], not null
	}
	c.Launched("")
	fmt.Fprintln(c.Stdout, "\nPED ID\tHost\tPort Number\tTLS\tHSM Serial Number")
	fmt.Fprint(c.Stdout, "-------\t------------\t-------------\t----\t------------------\n\n")
	for _, id := range ids.List() {
		tls, serial := "no", id.HSMSerial
		if id.TLS {
			tls = "yes"
		}
		if serial == "" {
			serial = "(none)"
		}
		fmt.Fprintf(c.Stdout, "%d\t%s\t%d\t%s\t%s\n", id.ID, id.Host, id.Port, tls, serial)
	}
	return nil
}
