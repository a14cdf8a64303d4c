package lab

import (
	"path/filepath"
	"strconv"
)

// What the two sides of a lab with Options.Peer call each other: the rack is the
// appliance that pedserver calls, the desk the PEDserver that pedclient knows.
const (
	Rack = "rack1"
	Desk = "desk1"
)

// Identify gives a daemon a new identity and returns the path of its certificate.
func (l *Lab) Identify(program, commonName string) (cert string) {
	l.T.Helper()
	l.do(program, "-regen", "-commonname", commonName, "-force")
	return filepath.Join(l.Dir, "cert", "client", commonName+".pem")
}

// RegisterAppliance has pedserver call an HSM's host by a name.
func (l *Lab) RegisterAppliance(name, cert, ip string, port int) {
	l.T.Helper()
	l.do("pedserver", "-appliance", "register", "-name", name, "-certificate", cert, "-ip", ip, "-port", strconv.Itoa(port))
}

// RegisterPEDserver has pedclient take calls of a PEDserver by a name.
func (l *Lab) RegisterPEDserver(name, cert string) {
	l.T.Helper()
	l.do("pedclient", "-pedserver", "register", "-name", name, "-certificate", cert)
}

// introduce gives both daemons identities and registers them with each other.
func (l *Lab) introduce() {
	l.T.Helper()
	rack, desk := l.Identify("pedclient", "rack"), l.Identify("pedserver", "desk")
	l.RegisterAppliance(Rack, rack, l.opts.At, l.Port)
	l.RegisterPEDserver(Desk, desk)
}

// Link makes pedserver's link to the rack.
func (l *Lab) Link() {
	l.T.Helper()
	l.do("pedserver", "-mode", "connect", "-name", Rack)
}

func (l *Lab) do(program string, args ...string) {
	l.T.Helper()
	if out, err := l.Run(program, args...); err != nil {
		l.T.Fatalf("%v\n%s", err, out)
	}
}
