package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"openped/test/lab"
)

// cable is a way from softped to this machine's USB.
type cable interface {
	flags() []string // of softped
	plug(*lab.PED) error
}

// pull pulls a PED's cable at the host's end: softped is not asked.
func pull(t testing.TB, serial string) {
	t.Helper()
	d, err := find(serial)
	if err == nil {
		err = d.pull()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// device is the sysfs folder of a USB device.
type device string

// find looks a PED up by its serial number.
func find(serial string) (device, error) {
	all, _ := filepath.Glob("/sys/bus/usb/devices/*/serial")
	for _, f := range all {
		if b, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(b)) == serial {
			path, err := filepath.EvalSymlinks(filepath.Dir(f))
			return device(path), err
		}
	}
	return "", fmt.Errorf("no device with serial number %s", serial)
}

func (d device) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(string(d), name))
	return strings.TrimSpace(string(b))
}

// node is the device's file for programs.
func (d device) node() string {
	bus, _ := strconv.Atoi(d.read("busnum"))
	dev, _ := strconv.Atoi(d.read("devnum"))
	return fmt.Sprintf("/dev/bus/usb/%03d/%03d", bus, dev)
}

const dummy = "/sys/devices/platform/dummy_hcd.0"

func (d device) pull() error {
	if strings.HasPrefix(string(d), dummy) {
		return disablePort("1")
	}
	port, err := strconv.Atoi(d.read("devpath"))
	if err != nil {
		return fmt.Errorf("%s: on no port that can be pulled", d)
	}
	return detach(port - 1)
}

// detach pulls whatever is on a port of the virtual host controller.
func detach(port int) error {
	return os.WriteFile(filepath.Join(vhci, "detach"), []byte(strconv.Itoa(port)), 0)
}

// ports returns the ports of high speed of the virtual host controller that are
// free, and how many are not.
func ports() (free []int, taken int) {
	status, _ := os.ReadFile(filepath.Join(vhci, "status"))
	for line := range strings.SplitSeq(string(status), "\n") {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "hs" {
			continue
		}
		if n, err := strconv.Atoi(f[1]); err == nil && f[2] == "004" {
			free = append(free, n)
		} else {
			taken++
		}
	}
	return free, taken
}

const vhci = "/sys/devices/platform/vhci_hcd.0"

// disablePort takes the power from dummy_hcd's only port, or gives it back.
func disablePort(yes string) error {
	found, _ := filepath.Glob(filepath.Join(dummy, "usb*", "*-0:1.0", "usb*-port1", "disable"))
	if len(found) != 1 {
		return fmt.Errorf("%d switches of dummy_hcd's port", len(found))
	}
	return os.WriteFile(found[0], []byte(yes), 0)
}

// vhciCable: softped attaches itself to the virtual host controller.
type vhciCable struct{}

func (vhciCable) flags() []string { return []string{"-vhci"} }

// plug has softped attach again; at its start it does so by itself.
func (vhciCable) plug(p *lab.PED) error {
	for _, d := range peds() {
		if !strings.HasPrefix(string(d), dummy) {
			return nil
		}
	}
	return p.Do("plug")
}

// peds are the devices that show themselves as PEDs.
func peds() []device {
	var found []device
	all, _ := filepath.Glob("/sys/bus/usb/devices/*/product")
	for _, f := range all {
		if b, err := os.ReadFile(f); err == nil && strings.HasPrefix(string(b), "Open Remote PED") {
			if path, err := filepath.EvalSymlinks(filepath.Dir(f)); err == nil {
				found = append(found, device(path))
			}
		}
	}
	return found
}

// usbipCable: softped exports itself, the distribution's usbip program attaches it.
type usbipCable struct{ port int }

func newUSBIPCable(t testing.TB) usbipCable {
	t.Helper()
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return usbipCable{port}
}

func (c usbipCable) flags() []string { return []string{"-usbip", "127.0.0.1:" + strconv.Itoa(c.port)} }

func (c usbipCable) plug(*lab.PED) error {
	return run("usbip", "--tcp-port", strconv.Itoa(c.port), "attach", "-r", "127.0.0.1", "-b", "1-1")
}

// gadgetCable: softped is a FunctionFS gadget on a device controller.
type gadgetCable struct{ udc string }

func (c gadgetCable) flags() []string { return []string{"-gadget", c.udc} }

// plug has no effect on a cable that is plugged in.
func (c gadgetCable) plug(*lab.PED) error { return disablePort("0") }

var gadget = gadgetCable{"dummy_udc.0"}

// plugged waits until this machine has one more device by that serial number.
func plugged(t testing.TB, l *lab.Lab, serial string) device {
	t.Helper()
	var d device
	l.Poll(0, "enumeration", func() (err error) {
		if d, err = find(serial); err == nil && !lab.Exists(d.node()) {
			err = errors.New("no node for programs")
		}
		return err
	})
	return d
}
