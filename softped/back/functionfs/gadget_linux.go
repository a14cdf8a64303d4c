package functionfs

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"openped/internal/atomicfile"
	"openped/softped/back/usbdev"
)

// Where the kernel shows things.
const (
	configfs    = "/sys/kernel/config"
	gadgets     = configfs + "/usb_gadget"
	controllers = "/sys/class/udc"
	runFolder   = "/run" // for the lock and the endpoints: gone after a restart, as the gadget is
)

// Gadget is a PED at a USB device controller. It takes root.
type Gadget struct {
	controller string
	tree       tree
	mount      string // where the endpoints are
	log        *slog.Logger
	lanes      *lanes
	ep0        *os.File
	endpoints  []int // files
	unlock     func()
	threads    sync.WaitGroup
	enabled    *enabled

	mu      sync.Mutex
	plugged bool
}

// Open makes the gadget at a controller, not yet plugged in. What a killed
// softped left there is removed. Close takes it away.
func Open(controller string, id usbdev.Identity, ports usbdev.Ports, log *slog.Logger) (*Gadget, error) {
	if err := find(controller); err != nil {
		return nil, err
	}
	name := "softped-" + controller
	g := &Gadget{
		controller: controller, tree: tree{filepath.Join(gadgets, name), "ffs." + instance(controller)},
		mount: filepath.Join(runFolder, name), log: log, lanes: newLanes(ports), enabled: newEnabled(),
	}
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	unlock, err := atomicfile.Lock(g.mount + ".lock")
	if errors.Is(err, atomicfile.ErrLocked) {
		return nil, ErrServed
	}
	if err != nil {
		return nil, err
	}
	g.unlock = unlock
	if err := g.open(id); err != nil {
		g.Close()
		if errors.Is(err, fs.ErrPermission) {
			return nil, ErrNotRoot
		}
		return nil, err
	}
	return g, nil
}

// find looks for a controller by name.
func find(name string) error {
	entries, _ := os.ReadDir(controllers)
	var present []string
	for _, e := range entries {
		present = append(present, e.Name())
	}
	if !slices.Contains(present, name) {
		return &NoControllerError{Name: name, Present: present}
	}
	return nil
}

// instance names the function: the kernel allows 39 bytes.
func instance(controller string) string {
	return "ped-" + controller[max(0, len(controller)-32):]
}

func (g *Gadget) open(id usbdev.Identity) error {
	if _, err := os.Stat(gadgets); err != nil {
		if err := unix.Mount("configfs", configfs, "configfs", 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("%w: %w", ErrNoConfigFS, err)
		}
		if _, err := os.Stat(gadgets); err != nil {
			return ErrNoConfigFS
		}
	}
	g.clean()
	if err := g.tree.remove(); err != nil {
		return err
	}
	if err := g.tree.make(id); err != nil {
		return err
	}
	if err := os.MkdirAll(g.mount, 0o700); err != nil {
		return err
	}
	if err := unix.Mount(instance(g.controller), g.mount, "functionfs", 0, ""); err != nil {
		return fmt.Errorf("mounting FunctionFS: %w", err)
	}
	return g.describe()
}

// clean unmounts what is mounted, however often.
func (g *Gadget) clean() {
	for range 8 {
		if unix.Unmount(g.mount, unix.MNT_DETACH) != nil {
			return
		}
	}
}

// describe gives the kernel the descriptors, which makes the endpoints' files.
func (g *Gadget) describe() error {
	// Non-blocking, so that the poller waits for events: a read that blocks would
	// hold up the unbinding.
	fd, err := unix.Open(filepath.Join(g.mount, "ep0"), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("ep0", err)
	}
	g.ep0 = os.NewFile(uintptr(fd), "ep0")
	if _, err := unix.Write(fd, descriptors()); err != nil {
		return fmt.Errorf("descriptors not taken: %w", err)
	}
	if _, err := unix.Write(fd, noStrings()); err != nil {
		return fmt.Errorf("strings not taken: %w", err)
	}
	for i := range 3 { // in the order of the descriptors
		fd, err := unix.Open(filepath.Join(g.mount, fmt.Sprintf("ep%d", i+1)), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError(fmt.Sprintf("ep%d", i+1), err)
		}
		g.endpoints = append(g.endpoints, fd)
	}
	g.threads.Go(g.control)
	g.threads.Go(func() { reader(g.endpoints[0], g.enabled, g.lanes) })
	g.threads.Go(func() { writer(g.endpoints[1], g.enabled, g.lanes.frames) })
	g.threads.Go(func() { writer(g.endpoints[2], g.enabled, g.lanes.events) })
	return nil
}

// Plug plugs the PED in to whatever host is at the controller's cable. A PED
// that is plugged in stays so.
func (g *Gadget) Plug() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.plugged {
		return nil
	}
	if err := g.tree.bind(g.controller); err != nil {
		if errors.Is(err, syscall.EBUSY) {
			return &BusyError{g.controller, g.holder()}
		}
		return fmt.Errorf("USB device controller %s: %w", g.controller, err)
	}
	g.plugged = true
	g.log.Info("plugged in", "controller", g.controller)
	return nil
}

// Unplug pulls the cable.
func (g *Gadget) Unplug() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.plugged {
		return nil
	}
	g.plugged = false
	g.enabled.set(false)
	g.lanes.end()
	return g.tree.bind("")
}

// holder looks for the gadget that has the controller.
func (g *Gadget) holder() string {
	files, _ := filepath.Glob(filepath.Join(gadgets, "*", "UDC"))
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(b)) == g.controller {
			return filepath.Base(filepath.Dir(f))
		}
	}
	return ""
}

// Close unplugs and removes the gadget.
func (g *Gadget) Close() error {
	_ = g.Unplug()
	g.enabled.close()
	if g.ep0 != nil {
		g.ep0.Close() // ends control
	}
	g.threads.Wait()
	for _, fd := range g.endpoints {
		unix.Close(fd)
	}
	g.clean()
	err := g.tree.remove()
	_ = os.Remove(g.mount)
	g.unlock()
	return err
}
