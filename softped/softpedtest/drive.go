package softpedtest

import (
	"context"
	"strings"
	"testing"
	"time"

	"openped/rpv"
	"openped/softped"
)

// waitTime bounds each wait.
const waitTime = 30 * time.Second

// NewPED returns a PED with an empty folder of keys, light key protection and a
// state in memory, and the folder. edit may change its configuration, or be nil.
func NewPED(t testing.TB, edit func(*softped.Config)) (*softped.PED, string) {
	t.Helper()
	dir := t.TempDir()
	cfg := softped.Config{Serial: "PED-0001", Keys: rpv.DirStore{Dir: dir}, State: &softped.MemState{}, Cost: rpv.LightCost()}
	if edit != nil {
		edit(&cfg)
	}
	p, err := softped.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

// Driver is the people around one PED. Its methods fail the test, from the
// goroutine they are called in, and return the Driver for the next step.
type Driver struct {
	t   testing.TB
	ped *softped.PED
	f   *softped.Follower
}

// Drive returns a Driver that has taken no screen yet.
func Drive(t testing.TB, p *softped.PED) *Driver { return &Driver{t, p, p.Follow()} }

// Wait waits for a screen with one of the ids, as softped.Follower does.
func (d *Driver) Wait(ids ...string) *Driver {
	d.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), waitTime)
	defer stop()
	if s, err := d.f.Wait(ctx, ids...); err != nil {
		d.t.Fatalf("%v:\n%s", err, strings.Join(s.Boxed(), "\n"))
	}
	return d
}

// Insert puts a key into the port.
func (d *Driver) Insert(name string) *Driver {
	d.t.Helper()
	if err := d.ped.Insert(name); err != nil {
		d.t.Fatal(err)
	}
	return d
}

// Remove pulls the key.
func (d *Driver) Remove() *Driver { d.ped.Remove(); return d }

// Press presses keys one after the other, as in "1234E".
func (d *Driver) Press(keys string) *Driver {
	d.t.Helper()
	for _, k := range keys {
		if err := d.ped.Press(k); err != nil {
			d.t.Fatal(err)
		}
	}
	return d
}

// Blank makes blank keys.
func (d *Driver) Blank(names ...string) *Driver {
	d.t.Helper()
	for _, n := range names {
		if err := d.ped.NewKey(n); err != nil {
			d.t.Fatal(err)
		}
	}
	return d
}

// Lines returns what the LCD shows, without line 8.
func (d *Driver) Lines() string { return d.ped.Screen().Text() }
