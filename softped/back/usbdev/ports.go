package usbdev

import (
	"context"

	"openped/usbped"
)

// Ports hands the ports of a back to the PED. One that nobody has taken yet
// makes way for a newer one: its host is gone.
type Ports chan usbped.GadgetPort

// NewPorts makes one.
func NewPorts() Ports { return make(Ports, 1) }

// Put offers a port. Backs do so one at a time.
func (p Ports) Put(port usbped.GadgetPort) {
	for {
		select {
		case p <- port:
			return
		default:
		}
		select {
		case <-p:
		default:
		}
	}
}

// Serve calls f with each port, one after the other, until ctx ends.
func (p Ports) Serve(ctx context.Context, f func(context.Context, usbped.GadgetPort)) {
	for {
		select {
		case port := <-p:
			f(ctx, port)
		case <-ctx.Done():
			return
		}
	}
}
