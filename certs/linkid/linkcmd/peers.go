package linkcmd

import (
	"errors"
	"fmt"
	"io/fs"

	"openped/certs/linkid"
	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/rc"
	"openped/internal/rundir"
)

// Help are the texts of the commands that Peers returns.
type Help struct{ Register, List, Delete string }

// Peers are the commands on registered peers of one kind: -TOP register, list,
// delete.
func Peers(top string, kind linkid.Kind, help Help) []daemon.Command {
	p := peers{kind}
	need := []string{"name", "certificate"}
	if kind == linkid.Appliance {
		need = append(need, "ip")
	}
	return []daemon.Command{
		{Top: top, Word: "register", Help: help.Register, Need: need, Writes: true, Run: p.register},
		{Top: top, Word: "list", Help: help.List, Run: p.list},
		{Top: top, Word: "delete", Help: help.Delete, Need: []string{"name"}, Run: p.delete},
	}
}

// Administrators are the commands on those who may use a program's admin port.
func Administrators(program string) []daemon.Command {
	return Peers("administrator", linkid.Administrator, administratorHelp(program))
}

type peers struct{ kind linkid.Kind }

func (p peers) register(c *daemon.Call) error {
	v := c.Values
	peer := linkid.Peer{Kind: p.kind, Name: v.Text("name")}
	if p.kind == linkid.Appliance {
		hosts := v.List("ip")
		if len(hosts) != 1 {
			return &cmdline.UsageError{Msg: "-appliance register takes one -ip"}
		}
		peer.Host = hosts[0]
		if v.Given("port") { // the file's is this daemon's own
			peer.Port = v.Int("port")
		}
	}
	c.Launched("")
	if err := rundir.MakeTop(c.Dirs.Data); err != nil {
		return failure(err)
	}
	peer, err := linkid.Register(c.ConfigPath, c.Dirs.Data, peer, v.Text("certificate"))
	if err != nil {
		return failure(err)
	}
	fmt.Fprintf(c.Stdout, "%s registered: certificate of %s\nCertificate SHA-256: %s\n", peer.Name, cmdline.Printable(linkid.CommonName(peer.Cert)), linkid.Fingerprint(peer.Cert))
	fmt.Fprintln(c.Stdout, "Compare that with what -regen printed there.")
	passed(c, "Register")
	return nil
}

func (p peers) delete(c *daemon.Call) error {
	name := c.Values.Text("name")
	all, err := linkid.ReadRegistry(c.ConfigPath, p.kind)
	// Who is registered with a damaged certificate can be deleted too.
	if _, ok := all.Lookup(name); !ok && err == nil {
		return failure(fmt.Errorf("%s %w", name, linkid.ErrNotRegistered))
	}
	c.Launched("")
	if err := c.Confirm("Delete " + string(p.kind) + " " + name); err != nil {
		return err
	}
	if err := linkid.Delete(c.ConfigPath, c.Dirs.Data, p.kind, name); err != nil {
		return failure(err)
	}
	passed(c, "Delete")
	return nil
}

// passed tells the running daemon, and the user.
func passed(c *daemon.Call, word string) {
	c.Changed()
	fmt.Fprintf(c.Stdout, "%s command passed.\n", word)
}

func (p peers) list(c *daemon.Call) error {
	all, err := linkid.List(c.ConfigPath, p.kind)
	if err != nil {
		return failure(err)
	}
	if c.JSON() {
		return c.Print(all)
	}
	c.Launched("")
	w := c.Stdout
	fmt.Fprintln(w)
	if p.kind == linkid.Appliance {
		// The vendor's columns, to the byte.
		fmt.Fprintln(w, "Server Name\tIP Address\tPort Number\tCertificate Common Name")
		fmt.Fprint(w, "-------------\t------------\t-------------\t----------------------------\n\n")
	} else {
		fmt.Fprintln(w, "Name\tCertificate Common Name\tExpires")
		fmt.Fprint(w, "-------------\t----------------------------\t----------\n\n")
	}
	for _, l := range all {
		name := l.CommonName
		if l.Problem != "" {
			name += " (" + l.Problem + ")"
		}
		name = cmdline.Printable(name)
		if p.kind == linkid.Appliance {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", l.Name, cmdline.Printable(l.Host), l.Port, name)
		} else {
			fmt.Fprintf(w, "%s\t%s\t%s\n", l.Name, name, l.Expires.Format("2006-01-02"))
		}
	}
	return nil
}

// failure gives an error of linkid its return code and its remedy.
func failure(err error) error {
	e := &cmdline.ExitError{Code: cmdline.ExitFailed, Err: err, RC: rc.BadCertificate}
	switch {
	case errors.Is(err, linkid.ErrRegistered), errors.Is(err, linkid.ErrExists):
		e.RC = rc.Exists
	case errors.Is(err, linkid.ErrNotRegistered):
		e.RC, e.Hint = rc.NotRegistered, "the list command shows who is"
	case errors.Is(err, fs.ErrPermission):
		e.RC = rc.AccessDenied
	}
	return e
}
