package faults

import (
	"os"
	"strings"
	"testing"

	"openped/test/lab"
)

// onDisk is a lab on a small disk of its own: everything that the daemons write.
// The PED, another device, has its own.
func onDisk(t *testing.T) (*lab.Disk, *lab.Lab) {
	t.Helper()
	asked(t)
	dir, err := os.MkdirTemp("", "openped-disk-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := lab.NewDisk(t, dir, "8m")
	return d, begin(t, lab.Options{Folder: d.Dir, PEDs: t.TempDir()})
}

// kept are commands that keep something, and the flag of it that is kept.
var kept = []string{
	"hsmcm ped set -ip 127.0.0.9 -port 1234",
	"pedserver -mode config -set -idletimeout 1234",
	"pedclient -mode setid -id 7 -id_ip 127.0.0.9 -id_port 1503",
	"pedserver -regen -commonname desk -force",
}

// On a full disk nothing is written, and nothing that was there is harmed: what
// cannot be kept is refused with the reason, all else goes on. When there is room
// again everything works, logs included.
func TestDiskIsFull(t *testing.T) {
	d, l := onDisk(t)
	out, err := l.Run("pedserver", "-mode", "config", "-set", "-idletimeout", "1000")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conf, err := os.ReadFile(l.Path("pedServer.conf"))
	must(t, err)

	d.Fill(0)
	deskSays(t, l, hasPED) // status needs no disk
	rackSays(t, l, connected)
	refused(t, l, "no space left on device")
	if b, err := os.ReadFile(l.Path("pedServer.conf")); err != nil || string(b) != string(conf) {
		t.Errorf("pedServer.conf was changed: %v\n%s", err, b)
	}
	for _, log := range []string{"pedserver.log", "pedclient.log"} {
		fi, err := os.Stat(l.Path(log))
		must(t, err)
		if fi.Size() == 0 {
			t.Errorf("control: %s is empty", log)
		}
	}
	// A daemon that is started on the full disk serves, and says that its log is
	// not kept.
	l.Server().Stop()
	l.StartServer()
	deskSays(t, l, hasPED)

	d.Free()
	connect(t, l)
	unharmed(t, l)
	for _, line := range kept {
		words := strings.Fields(line)
		if out, err := l.Run(words[0], words[1:]...); err != nil {
			t.Errorf("with room again: %s: %v\n%s", line, err, out)
		}
	}
	goOn(t, l)
}

// A disk that the system has made read-only is the same: refused with the reason,
// nothing is harmed.
func TestDiskIsReadOnly(t *testing.T) {
	d, l := onDisk(t)
	for _, p := range l.Processes() { // who writes keeps the disk from being sealed
		p.Stop()
	}
	d.Seal()
	for _, line := range kept[1:] {
		words := strings.Fields(line)
		out, err := l.Run(words[0], words[1:]...)
		if err == nil {
			t.Errorf("%s on a sealed disk:\n%s", line, out)
		}
		says(t, out, "read-only file system", l.Dir)
	}
	for _, program := range []string{"pedserver -mode start -peddevice unix:" + l.Path("ped.sock"), "pedclient -mode start -hsm " + l.HSMFile(1)} {
		words := strings.Fields(program)
		within(t, stopBound, program, func() {
			out, err := l.Run(words[0], words[1:]...)
			if lab.ExitCode(err) != 2 {
				t.Errorf("%s on a sealed disk: %v\n%s", program, err, out)
			}
			says(t, out, "read-only file system", l.Dir)
		})
	}
	d.Unseal()
	l.StartPED()
	l.StartServer()
	l.StartClient()
	connect(t, l)
	unharmed(t, l)
}

// refused: nothing that has to be kept is done, and each says why.
func refused(t *testing.T, l *lab.Lab, why string) {
	t.Helper()
	// A login counts an attempt before it is made, or is not begun.
	e, err := l.Perform(lab.Play{Command: login, People: lab.Everybody()})
	if err != nil {
		t.Fatalf("%v\n%s", err, e)
	}
	if e.OK() {
		t.Errorf("a login that cannot be counted:\n%s", e)
	}
	says(t, e.Output, "could not store its state", why)
	for _, line := range kept {
		words := strings.Fields(line)
		out, err := l.Run(words[0], words[1:]...)
		if err == nil && !strings.Contains(out, "Error in execution") {
			t.Errorf("%s:\n%s", line, out)
		}
		if words[0] == "hsmcm" { // it knows no paths of the daemon's
			says(t, out, "could not be stored", why)
		} else {
			says(t, out, why, l.Dir)
		}
	}
}

// goOn wants the logs to go on where they were wanted.
func goOn(t *testing.T, l *lab.Lab) {
	t.Helper()
	for _, log := range []string{"pedserver.log", "pedclient.log"} {
		before, err := os.Stat(l.Path(log))
		must(t, err)
		l.Must("ped disconnect", lab.People{})
		connect(t, l)
		l.Poll(2*lossBound, log+" goes on", func() error {
			now, err := os.Stat(l.Path(log))
			if err == nil && now.Size() <= before.Size() {
				err = errShows("no more than before")
			}
			return err
		})
	}
}
