//go:build cgo && !nousb

package guest

import (
	"context"
	"testing"

	"openped/softped/back/usbdev"
	"openped/usbped"
)

// Frames of all sizes cross a cable of full speed, whose packets have 64 bytes, and
// a device controller, as they do one of high speed.
func TestPacketsOfEachSize(t *testing.T) {
	full := func(t testing.TB, info usbped.Info, serve func(context.Context, usbped.GadgetPort)) {
		plugInAt(usbdev.Full, t, info, serve)
		if d, err := find(info.Serial); err != nil || d.read("speed") != "12" {
			t.Errorf("%s has speed %s, %v", info.Serial, d.read("speed"), err)
		}
	}
	for name, plug := range map[string]func(testing.TB, usbped.Info, func(context.Context, usbped.GadgetPort)){
		"full speed": full, "high speed": plugIn, "device controller": plugGadget,
	} {
		t.Run(name, func(t *testing.T) {
			echo := openFramed(t, "PACKETS-1", plug)
			for _, size := range []int{1, 47, 48, 49, 63, 64, 495, 496, 497, 512, 1008, 1024, 4080, 4096, 4097, 8192, 16384, usbped.MaxPayload} {
				if err := echo(noise(make([]byte, size), 3)); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
			}
		})
	}
}
