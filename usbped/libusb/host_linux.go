package libusb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"openped/usbped"
)

// thisHost asks the kernel.
var thisHost host = linux{sys: "/sys/bus/usb/devices", dev: "/dev/bus/usb", proc: "/proc"}

// linux is where the kernel tells: of the devices, their files, and who has those
// open.
type linux struct{ sys, dev, proc string }

func (l linux) look(ids wanted) (spots []*spot, known bool, err error) {
	names, err := readNames(l.sys)
	if err != nil {
		return nil, true, fmt.Errorf("%w: %w", usbped.ErrNoUSB, err)
	}
	for _, name := range names {
		device, _, ok := strings.Cut(name, ":") // "1-2:1.0" is interface 0 of "1-2"
		if !ok || !l.isPED(name) {
			continue
		}
		if s := l.spot(device, ids); s != nil {
			spots = append(spots, s)
		}
	}
	return spots, true, nil
}

// readNames lists a folder without a look at each of its files.
func readNames(folder string) ([]string, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (l linux) isPED(iface string) bool {
	return l.hex(iface, "bInterfaceClass") == usbped.USBClass &&
		l.hex(iface, "bInterfaceSubClass") == usbped.USBSubclass &&
		l.hex(iface, "bInterfaceProtocol") == usbped.USBProtocol
}

// spot returns where a device is, or nil if it is none that is looked for or is
// just going.
func (l linux) spot(device string, ids wanted) *spot {
	vendor, product := l.hex(device, "idVendor"), l.hex(device, "idProduct")
	bus, address := l.number(device, "busnum", 10), l.number(device, "devnum", 10)
	if vendor < 0 || product < 0 || bus < 0 || address < 0 ||
		!ids.match(uint16(vendor), uint16(product)) || !strings.HasPrefix(l.text(device, "product"), usbped.USBProduct) {
		return nil
	}
	return &spot{bus, address, l.text(device, "serial"), filepath.Join(l.dev, fmt.Sprintf("%03d/%03d", bus, address))}
}

func (l linux) text(device, name string) string {
	b, _ := os.ReadFile(filepath.Join(l.sys, device, name)) // a missing one is empty
	return strings.TrimSuffix(string(b), "\n")
}

func (l linux) hex(device, name string) int { return l.number(device, name, 16) }

// number returns -1 for none.
func (l linux) number(device, name string, base int) int {
	n, err := strconv.ParseUint(l.text(device, name), base, 16)
	if err != nil {
		return -1
	}
	return int(n)
}

// settling is how long after a PED was plugged in udev may still be busy with its
// file.
const (
	settling   = 2 * time.Second
	settleLook = 50 * time.Millisecond
)

// mayOpen waits for udev, if it may be at it. The file's time alone does not tell:
// the kernel changes it as long as another program uses the PED.
func (l linux) mayOpen(ctx context.Context, s *spot) error {
	for until := time.Now().Add(settling); ; {
		err := unix.Faccessat(unix.AT_FDCWD, s.node, unix.R_OK|unix.W_OK, unix.AT_EACCESS)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: there is a PED, but no %s", usbped.ErrNoUSB, s.node)
		case !young(s.node), time.Now().After(until):
			return &usbped.AccessError{Path: s.node}
		}
		select {
		case <-time.After(settleLook):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func young(node string) bool {
	i, err := os.Stat(node)
	return err == nil && time.Since(i.ModTime()) < settling
}

func (l linux) holder(s *spot) (string, int) {
	pids, _ := readNames(l.proc)
	for _, name := range pids {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		folder := filepath.Join(l.proc, name, "fd")
		fds, _ := readNames(folder) // other users' are not told
		for _, fd := range fds {
			if to, err := os.Readlink(filepath.Join(folder, fd)); err == nil && to == s.node {
				comm, _ := os.ReadFile(filepath.Join(l.proc, name, "comm"))
				return strings.TrimSuffix(string(comm), "\n"), pid
			}
		}
	}
	return "", 0
}
