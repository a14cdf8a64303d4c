package faults

import (
	"os"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// onDisk is a lab on a small disk of its own: everything that its programs write.
func onDisk(t *testing.T) (*lab.Disk, *lab.Lab) {
	t.Helper()
	asked(t)
	dir, err := os.MkdirTemp("", "openped-disk-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := lab.NewDisk(t, dir, "8m")
	return d, begin(t, lab.Options{Folder: d.Dir})
}

// On a full disk nothing is written, and nothing that was there is harmed: what
// cannot be kept is refused with the reason, all else goes on. When there is room
// again everything works, logs included.
func TestDiskIsFull(t *testing.T) {
	d, l := onDisk(t)
	d.Fill(0)
	// Status needs no disk.
	deskSays(t, l, hasPED)
	rackSays(t, l, connected)
	// A login counts an attempt before it is made, or is not begun.
	e, err := l.Perform(lab.Play{Command: login, People: lab.Everybody()})
	if err != nil {
		t.Fatalf("%v\n%s", err, e)
	}
	if !e.OK() {
		says(t, e.Output, "no space left on device")
	}
	// What is to be kept says where, and why not.
	for program, line := range map[string]string{
		"hsmcm":     "ped set -ip 127.0.0.9 -port 1234",
		"pedserver": "-mode config -set -idletimeout 1234",
		"pedclient": "-mode setid -id 7 -id_ip 127.0.0.9 -id_port 1503",
	} {
		out, err := l.Run(program, strings.Fields(line)...)
		if err == nil {
			t.Errorf("%s %s on a full disk:\n%s", program, line, out)
		}
		says(t, out, "no space left on device", l.Dir)
	}
	d.Free()
	unharmed(t, l)
	mark := l.PED().Mark()
	l.Must("ped disconnect", lab.People{})
	_ = mark
	connect(t, l)
	for _, line := range []string{"hsmcm ped set -ip 127.0.0.9 -port 1234", "pedserver -mode config -set -idletimeout 1234", "pedclient -mode setid -id 7 -id_ip 127.0.0.9 -id_port 1503"} {
		words := strings.Fields(line)
		if out, err := l.Run(words[0], words[1:]...); err != nil {
			t.Errorf("with room again: %v\n%s", err, out)
		}
	}
	// The logs go on where they were.
	for _, log := range []string{"pedserver.log", "pedclient.log"} {
		l.Poll(2*lossBound, log+" goes on", func() error {
			b, err := os.ReadFile(l.Path(log))
			if err == nil && !strings.Contains(tail(string(b), 2000), time.Now().UTC().Format("2006-01-02")) {
				err = errShows("an old end of " + log)
			}
			return err
		})
	}
}

// A folder that cannot be written to any more (a disk that went read-only after
// an error) is the same: refused with the reason, nothing is harmed.
func TestDiskIsReadOnly(t *testing.T) {
	t.Skip("TODO")
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
