package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"openped/test/lab"
)

// gone waits until a device by that serial number is there no more.
func gone(t testing.TB, serial string) {
	t.Helper()
	must(t, lab.Poll(15*time.Second, "the end of the device", func() error {
		if d, err := find(serial); err == nil {
			return fmt.Errorf("%s is still there", d)
		}
		return nil
	}))
}

// traces are what a software PED has in the kernel: gadgets, mounts, ports.
func traces(t testing.TB) []string {
	t.Helper()
	found, _ := filepath.Glob("/sys/kernel/config/usb_gadget/softped-*")
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " functionfs ") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	status, err := os.ReadFile(filepath.Join(vhci, "status"))
	must(t, err)
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] != "hub" && f[2] != "004" {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func noTraces(t testing.TB) {
	t.Helper()
	must(t, lab.Poll(15*time.Second, "nothing left behind", func() error {
		if left := traces(t); len(left) > 0 {
			return fmt.Errorf("left behind: %v", left)
		}
		return nil
	}))
}

// softped is one on a cable, with an empty folder.
func softped(t *testing.T, s *lab.Stage, serial string, flags ...string) *lab.PED {
	t.Helper()
	dir := t.TempDir()
	p, err := lab.StartPED(s, append(flags, "-serial", serial, "-keys", dir, "-state", filepath.Join(dir, "state"))...)
	must(t, err)
	t.Cleanup(p.Stop)
	return p
}

func stage(t *testing.T) *lab.Stage {
	t.Helper()
	s, err := lab.NewStage(lab.Bin(t), "")
	must(t, err)
	t.Cleanup(func() { _ = s.Close(false) })
	return s
}

// A softped that is killed frees what it had, and one that is stopped leaves
// nothing behind. The next one starts as the first did.
func TestKilledSoftped(t *testing.T) {
	for name, c := range map[string]cable{"vhci": vhciCable{}, "gadget": gadget} {
		t.Run(name, func(t *testing.T) {
			s := stage(t)
			for _, number := range []string{"KILLED-1", "KILLED-2"} {
				p := softped(t, s, number, c.flags()...)
				waitFor(t, number)
				p.Kill()
				gone(t, number)
			}
			p := softped(t, s, "STOPPED-3", c.flags()...)
			waitFor(t, "STOPPED-3")
			p.Stop()
			gone(t, "STOPPED-3")
			noTraces(t)
		})
	}
}

func waitFor(t testing.TB, serial string) device {
	t.Helper()
	var d device
	must(t, lab.Poll(20*time.Second, "enumeration", func() (err error) {
		d, err = find(serial)
		return err
	}))
	return d
}

// The cable can be pulled and plugged in at the PED's end, and its host may reset
// the bus: the device is there again.
func TestPulledAtThePED(t *testing.T) {
	for name, c := range map[string]cable{"vhci": vhciCable{}, "gadget": gadget} {
		t.Run(name, func(t *testing.T) {
			p := softped(t, stage(t), "PULL-1", c.flags()...)
			for range 3 {
				d := waitFor(t, "PULL-1")
				resetBus(t, d)
				waitFor(t, "PULL-1")
				must(t, p.Do("unplug"))
				must(t, p.Do("unplug"))
				gone(t, "PULL-1")
				must(t, p.Do("plug"))
				must(t, p.Do("plug"))
			}
			waitFor(t, "PULL-1")
		})
	}
}

// A host that puts the bus to sleep while nobody has the PED open finds it awake
// when somebody has.
func TestBusAsleep(t *testing.T) {
	for name, c := range map[string]cable{"vhci": vhciCable{}, "gadget": gadget} {
		t.Run(name, func(t *testing.T) {
			l := prepare(t, c, lab.Options{})
			l.StartPED()
			must(t, c.plug(l.PED()))
			d := plugged(t, l, serial(t, l))
			set := func(file, value string) {
				must(t, os.WriteFile(filepath.Join(string(d), "power", file), []byte(value), 0))
			}
			set("autosuspend_delay_ms", "0")
			set("control", "auto")
			must(t, lab.Poll(15*time.Second, "the bus asleep", func() error {
				if status := d.read("power/runtime_status"); status != "suspended" {
					return fmt.Errorf("it is %s", status)
				}
				return nil
			}))
			l.StartServer()
			ready(t, l)
			l.Server().Stop()
			l.StartServer()
			ready(t, l)
		})
	}
}

// resetBus is what usbreset does.
func resetBus(t testing.TB, d device) {
	t.Helper()
	must(t, lab.Poll(15*time.Second, "reset", func() error {
		f, err := os.OpenFile(d.node(), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		const usbdevfsReset = 0x5514
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), usbdevfsReset, 0); e != 0 {
			return e
		}
		return nil
	}))
}

// What stands in the way is said in one line, with the remedy.
func TestSoftpedSaysWhatIsInTheWay(t *testing.T) {
	s := stage(t)
	must(t, os.Chown(s.Dir, int(visitor.uid[0]), int(visitor.uid[0])))
	s.Places = map[string]lab.Place{"softped": visitor}
	fails := func(what string, flags ...string) {
		t.Helper()
		dir := t.TempDir()
		must(t, os.Chmod(filepath.Dir(dir), 0o755))
		must(t, os.Chown(dir, int(visitor.uid[0]), int(visitor.uid[0])))
		out, err := s.Run("softped", append(flags, "-face", "none", "-keys", dir, "-state", dir+"/state")...)
		if err == nil {
			err = errors.New("it runs")
		}
		if text := out + err.Error(); !strings.Contains(text, what) {
			t.Errorf("%v: not said %q: %s", flags, what, text)
		}
	}
	fails("run softped as root", "-vhci")
	fails("run softped as root", gadget.flags()...)
	s.Places = nil
	fails("there is no USB device controller other.udc; give -gadget one of those present: dummy_udc.0", "-gadget", "other.udc")
	softped(t, s, "FIRST-1", gadget.flags()...)
	waitFor(t, "FIRST-1")
	fails("another softped serves this controller; stop the other softped, or give -gadget another controller", gadget.flags()...)
}
