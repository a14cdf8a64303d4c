package guest

import (
	"testing"

	"openped/test/lab"
)

// On each kind of cable the PED is what the specification says it is, pedserver
// opens it, and three custodians log in.
func TestEnumerationAndLogin(t *testing.T) {
	for _, c := range []cable{vhciCable{}, newUSBIPCable(t), gadget} {
		t.Run(c.flags()[0], func(t *testing.T) {
			l := begin(t, c, lab.Options{})
			number := serial(t, l)
			d := plugged(t, l, number)
			for file, want := range map[string]string{
				"idVendor": "1209", "idProduct": "0001", "bcdDevice": "0290", "serial": number, "product": "Open Remote PED (software)",
				"bNumInterfaces": "1", "bNumConfigurations": "1",
			} {
				if got := d.read(file); got != want {
					t.Errorf("%s is %q, not %q", file, got, want)
				}
			}
			face := device(string(d) + "/" + d.read("busnum") + "-" + d.read("devpath") + ":1.0")
			for file, want := range map[string]string{"bInterfaceClass": "ff", "bInterfaceSubClass": "50", "bInterfaceProtocol": "01", "bNumEndpoints": "03"} {
				if got := face.read(file); got != want {
					t.Errorf("%s is %q, not %q", file, got, want)
				}
			}
			ready(t, l)
			s, err := l.ServerStatus()
			must(t, err)
			if s.PED.Serial != number {
				t.Errorf("pedserver says serial number %q, the PED %q", s.PED.Serial, number)
			}
			connect(t, l)
			logInAndOut(t, l)
			unharmed(t, l)
		})
	}
}
