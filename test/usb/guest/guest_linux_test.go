package guest

import (
	"fmt"
	"os"
	"testing"

	"openped/test/lab"
)

// machineEnv is set in the machine: the folder of what the tests bring along.
const machineEnv = "OPENPED_USB"

func TestMain(m *testing.M) {
	if os.Getenv(machineEnv) == "" {
		fmt.Println("these tests run in a machine of their own: make test-usb")
		return
	}
	lab.Main(m)
}

// The machine has what the tests need: two kinds of cables and udev.
func TestMachine(t *testing.T) {
	for _, path := range []string{"/sys/devices/platform/vhci_hcd.0/status", "/sys/class/udc/dummy_udc.0", "/sys/kernel/config/usb_gadget", "/dev/bus/usb"} {
		if !lab.Exists(path) {
			t.Errorf("no %s", path)
		}
	}
}
