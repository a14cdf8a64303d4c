package usbip

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"openped/softped/back/usbdev"
)

const vhciFolder = "/sys/devices/platform/vhci_hcd.0"

// VHCI plugs a PED in to this computer's virtual host controller. It takes root.
type VHCI struct {
	ID    usbdev.Identity
	Speed usbdev.Speed
	Ports usbdev.Ports // where the PED takes what the host configures
	Log   *slog.Logger

	folder string // "": vhciFolder

	mu   sync.Mutex
	stop func() // unplugs and waits; nil while unplugged
}

// Plug attaches the PED. A PED that is plugged in stays so.
func (v *VHCI) Plug() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stop != nil {
		return nil
	}
	if v.folder == "" {
		v.folder = vhciFolder
	}
	ours, theirs, err := pair()
	if err != nil {
		return err
	}
	port, err := v.attach(theirs)
	theirs.Close() // the kernel has it now, or nobody
	if err != nil {
		ours.Close()
		return err
	}
	v.Log.Info("attached", "port", port)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := serve(ctx, ours, usbdev.New(v.ID, v.Speed, v.Ports))
		if ctx.Err() == nil { // the computer's doing
			v.Log.Warn("detached by this computer", "port", port, "reason", reason(err))
		}
		v.mu.Lock()
		v.stop = nil
		v.mu.Unlock()
	}()
	v.stop = func() {
		// Detach ends the kernel's use of the port, also if the socket did not.
		if err := v.write("detach", strconv.Itoa(port)); err != nil {
			v.Log.Debug("detach", "port", port, "error", err)
		}
		cancel()
		<-done
	}
	return nil
}

// Unplug pulls the cable.
func (v *VHCI) Unplug() error {
	v.mu.Lock()
	stop := v.stop
	v.mu.Unlock()
	if stop != nil {
		stop()
	}
	return nil
}

// attach takes a free port. Another program may be quicker: then the next one
// is tried.
func (v *VHCI) attach(theirs *os.File) (int, error) {
	for range 8 {
		port, err := v.free()
		if err != nil {
			return 0, err
		}
		switch err := v.write("attach", attachLine(port, theirs.Fd(), uint8(v.Speed))); {
		case err == nil:
			return port, nil
		case errors.Is(err, fs.ErrPermission):
			return 0, ErrNotRoot
		case !errors.Is(err, syscall.EBUSY) && !errors.Is(err, syscall.EINVAL):
			return 0, fmt.Errorf("port %d of the virtual USB host controller: %w", port, err)
		}
	}
	return 0, ErrNoPort
}

func (v *VHCI) free() (int, error) {
	f, err := os.Open(filepath.Join(v.folder, "status"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, ErrNoVHCI
	case errors.Is(err, fs.ErrPermission):
		return 0, ErrNotRoot
	case err != nil:
		return 0, err
	}
	defer f.Close()
	return freePort(f)
}

func (v *VHCI) write(name, text string) error {
	f, err := os.OpenFile(filepath.Join(v.folder, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// pair makes the socket between us and the kernel.
func pair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	f, theirs := os.NewFile(uintptr(fds[0]), "vhci"), os.NewFile(uintptr(fds[1]), "vhci")
	defer f.Close() // FileConn has its own
	ours, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}
