package e2e

import (
	"path/filepath"
	"testing"

	"openped/test/lab"
)

// A registration that is deleted counts at once: the link that uses it ends, also
// in the middle of a session, and cannot be made again until it is registered
// anew. Both logs say why, each what its side knows.
//
// Rule out: in pedclient, do not judge the links again at a reload.
func TestDeletedRegistration(t *testing.T) {
	t.Parallel()
	l := peers(t, lab.Options{})
	l.Must(l.Connect(), lab.People{})
	l.Must(login, lab.Everybody())
	l.Must("role logout", lab.People{})
	l.RegisterPEDserver("spare", usual(t, "spare").file(t, l)) // with nobody registered the port would be closed
	if out, err := l.Run("pedclient", "-pedserver", "delete", "-name", lab.Desk, "-force"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	logs(t, l.Path("pedclient.log"), "unregistered: ")
	fails(t, l, "CKR_PEDSERVER_UNTRUSTED", lab.Play{Command: l.Connect()})
	logs(t, l.Path("pedserver.log"), "during authentication: check")
	l.RegisterPEDserver(lab.Desk, filepath.Join(l.Dir, "cert", "client", "desk.pem"))
	l.Link()
	l.Must(l.Connect(), lab.People{})
	l.Must(login, lab.Everybody())
}

// A new certificate does not end what stands. The next link is refused, with a
// reason of its own, until it has been registered at the other side.
func TestRegenKeepsTheLink(t *testing.T) {
	t.Parallel()
	l := peers(t, lab.Options{})
	l.Must(l.Connect(), lab.People{})
	cert := l.Identify("pedserver", "desk")
	l.Must(login, lab.Everybody())
	l.Must("role logout", lab.People{})
	l.Must("ped disconnect", lab.People{})
	for _, mode := range []string{"disconnect", "connect"} {
		p, err := l.Start(mode, nil, "pedserver", "-mode", mode, "-name", lab.Rack)
		if err != nil {
			t.Fatal(err)
		}
		if mode == "disconnect" { // the other one goes on trying
			<-p.Done()
		}
	}
	logs(t, l.Path("pedclient.log"), "regenerated: ")
	logs(t, l.Path("pedserver.log"), "during authentication: check")
	if out, err := l.Run("pedclient", "-pedserver", "delete", "-name", lab.Desk, "-force"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l.RegisterPEDserver(lab.Desk, cert)
	l.Link()
	l.Must(l.Connect(), lab.People{})
	l.Must(login, lab.Everybody())
}
