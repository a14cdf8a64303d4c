package linkcmd

import (
	"errors"
	"fmt"
	"path/filepath"

	"openped/certs/linkid"
	"openped/internal/daemon"
	"openped/internal/rundir"
)

// The settings that name a daemon's identity.
const (
	certSetting = "certfile"
	keySetting  = "privkeyfile"
)

// Regen is the command -regen of a program. Its help says whose certificate it
// makes, and with which command that is registered at the other end.
func Regen(program, whose, register string) daemon.Command {
	return daemon.Command{Top: "regen", Help: regenHelp(program, whose, register), Need: []string{"commonname"}, Writes: true, Run: regen}
}

func regen(c *daemon.Call) error {
	id, err := linkid.Generate(c.Values.Text("commonname"))
	if err != nil {
		return failure(err)
	}
	c.Launched("")
	if err := rundir.MakeTop(c.Dirs.Data); err != nil {
		return failure(err)
	}
	dir := linkid.Dir(c.Dirs.Data)
	cert, key, err := id.Save(dir, false)
	if errors.Is(err, linkid.ErrExists) {
		if err := c.Confirm("Replace the certificate of " + id.CommonName + " in " + filepath.Clean(dir)); err != nil {
			return err
		}
		cert, key, err = id.Save(dir, true)
	}
	if err != nil {
		return failure(err)
	}
	if err := c.Configure(map[string]string{certSetting: cert, keySetting: key}); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "Private Key created and written to: %s\nCertificate created and written to: %s\n\n", key, cert)
	fmt.Fprintln(c.Stdout, "Successfully regenerated the client certificate.")
	fmt.Fprintf(c.Stdout, "Certificate SHA-256: %s\n", id.Fingerprint())
	return nil
}
