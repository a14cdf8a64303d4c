package functionfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"openped/softped/back/usbdev"
	"openped/usbped"
)

// The gadget's folder, in a folder that behaves as configfs only so far: the
// attributes must be there already.
func TestTree(t *testing.T) {
	tr := tree{filepath.Join(t.TempDir(), "g"), "ffs.ped-x"}
	id := usbdev.IdentityOf(usbped.Info{Serial: "SP-7", Firmware: "2.9.0", Software: true}, 0x16c0, 0x05dc)
	if err := tr.remove(); err != nil {
		t.Errorf("nothing to remove: %v", err)
	}
	if err := os.Mkdir(tr.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := tr.make(id); !errors.Is(err, os.ErrExist) {
		t.Errorf("another's gadget: %v", err)
	}
	attributes := []string{
		"idVendor", "idProduct", "bcdDevice", "bcdUSB", "configs/c.1/bmAttributes", "configs/c.1/MaxPower", "UDC", "os_desc/use",
		"os_desc/b_vendor_code", "os_desc/qw_sign", "configs/c.1/strings/0x409/configuration",
		"strings/0x409/manufacturer", "strings/0x409/product", "strings/0x409/serialnumber",
	}
	tr.dir += "2"
	for _, d := range []string{"os_desc", "functions"} {
		if err := os.MkdirAll(tr.path(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range attributes {
		if err := os.MkdirAll(filepath.Dir(tr.path(a)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(tr.path(a), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.fill(id); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"idVendor": "0x16c0", "idProduct": "0x05dc", "bcdDevice": "0x0290", "strings/0x409/serialnumber": "SP-7",
		"strings/0x409/product": "Open Remote PED (software)", "os_desc/use": "1", "os_desc/qw_sign": "MSFT100", "os_desc/b_vendor_code": "0x4f",
	} {
		if b, err := os.ReadFile(tr.path(name)); err != nil || string(b) != want {
			t.Errorf("%s is %q, %v", name, b, err)
		}
	}
	for link, want := range map[string]string{"configs/c.1/ffs.ped-x": "functions/ffs.ped-x", "os_desc/c.1": "configs/c.1"} {
		if to, err := os.Readlink(tr.path(link)); err != nil || to != tr.path(want) {
			t.Errorf("%s leads to %s, %v", link, to, err)
		}
	}
}

func TestErrors(t *testing.T) {
	none := &NoControllerError{Name: "x"}
	if !strings.Contains(none.Hint(), "dummy_hcd") {
		t.Error(none.Hint())
	}
	none.Present = []string{"a.usb", "b.usb"}
	if none.Error() != "there is no USB device controller x" || !strings.HasSuffix(none.Hint(), ": a.usb, b.usb") {
		t.Error(none, none.Hint())
	}
	if s := (&BusyError{"x", "g1"}).Error(); s != "USB device controller x is in use by the gadget g1" {
		t.Error(s)
	}
}
