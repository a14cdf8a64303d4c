package functionfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"openped/softped/back/usbdev"
)

// tree is the gadget's folder in configfs.
type tree struct {
	dir      string // of the gadget
	function string // "ffs.NAME"
}

// make builds the gadget, not yet bound to a controller.
func (t tree) make(id usbdev.Identity) error {
	if err := os.Mkdir(t.dir, 0o755); err != nil {
		return err
	}
	return t.fill(id)
}

func (t tree) fill(id usbdev.Identity) error {
	function := "functions/" + t.function
	for _, d := range []string{"strings/0x409", function, "configs/c.1", "configs/c.1/strings/0x409"} {
		err := os.Mkdir(t.path(d), 0o755)
		if d == function && errors.Is(err, fs.ErrNotExist) {
			return ErrNoFunction
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, a := range []struct{ name, value string }{
		{"idVendor", fmt.Sprintf("0x%04x", id.Vendor)},
		{"idProduct", fmt.Sprintf("0x%04x", id.Product)},
		{"bcdDevice", fmt.Sprintf("0x%04x", id.Release)},
		{"bcdUSB", "0x0200"},
		{"max_speed", "high-speed"},
		{"strings/0x409/manufacturer", id.Manufacturer()},
		{"strings/0x409/product", id.Name},
		{"strings/0x409/serialnumber", id.Serial},
		{"configs/c.1/bmAttributes", "0x80"},
		{"configs/c.1/MaxPower", "500"},
		{"configs/c.1/strings/0x409/configuration", "PED"},
		{"os_desc/use", "1"},
		{"os_desc/b_vendor_code", fmt.Sprintf("0x%02x", usbdev.VendorCode)},
		{"os_desc/qw_sign", "MSFT100"},
	} {
		err := t.write(a.name, a.value)
		if a.name == "max_speed" && errors.Is(err, fs.ErrNotExist) {
			continue // an older kernel, which offers no more by itself
		}
		if err != nil {
			return fmt.Errorf("gadget attribute %s: %w", a.name, err)
		}
	}
	if err := os.Symlink(t.path(function), t.path("configs/c.1/"+t.function)); err != nil {
		return err
	}
	return os.Symlink(t.path("configs/c.1"), t.path("os_desc/c.1"))
}

// remove takes the gadget away, however far it was made.
func (t tree) remove() error {
	if _, err := os.Lstat(t.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_ = t.bind("") // not bound is well
	for _, p := range []string{
		"os_desc/c.1", "configs/c.1/" + t.function, "configs/c.1/strings/0x409", "configs/c.1",
		"functions/" + t.function, "strings/0x409",
	} {
		_ = os.Remove(t.path(p)) // what stays behind shows below
	}
	if err := os.Remove(t.dir); err != nil {
		return fmt.Errorf("gadget of an earlier softped: %w", err)
	}
	return nil
}

// bind plugs the gadget in to a controller; "" unplugs it.
func (t tree) bind(controller string) error { return t.write("UDC", controller+"\n") }

func (t tree) path(name string) string { return filepath.Join(t.dir, name) }

func (t tree) write(name, value string) error {
	f, err := os.OpenFile(t.path(name), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
