package back

import (
	"context"

	"openped/softped"
	"openped/softped/back/usbdev"
	"openped/usbped"
)

// ServeUSB lets the hosts at the end of a USB cable use the PED, from the moment
// that one configures the device, until ctx ends.
func ServeUSB(ctx context.Context, ports usbdev.Ports, p *softped.PED) error {
	ports.Serve(ctx, func(ctx context.Context, port usbped.GadgetPort) {
		g := usbped.NewPortGadget(port, p.Info())
		defer g.Close()
		_ = p.Serve(ctx, g)
	})
	return nil
}
