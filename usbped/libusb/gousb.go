//go:build cgo && !nousb

package libusb

/*
#cgo pkg-config: libusb-1.0
#include <libusb.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/google/gousb"

	"openped/usbped"
)

// system is libusb through gousb.
var system stack = goUSB{}

// built says whether libusb is linked.
const built = true

type goUSB struct{}

// start makes a context. gousb panics where there is no USB.
func (goUSB) start() (b bus, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", usbped.ErrNoUSB, r)
		}
	}()
	return &goBus{gousb.NewContext()}, nil
}

type goBus struct{ ctx *gousb.Context }

func (b *goBus) open(want func(*descriptors) bool) ([]handle, error) {
	devices, err := b.ctx.OpenDevices(func(d *gousb.DeviceDesc) bool { return want(about(d)) })
	handles := make([]handle, len(devices))
	for i, d := range devices {
		handles[i] = &goHandle{dev: d, desc: about(d.Desc)}
	}
	return handles, failed(err)
}

func (b *goBus) close() error { return failed(b.ctx.Close()) }

// about takes from gousb's descriptors what matters.
func about(d *gousb.DeviceDesc) *descriptors {
	out := &descriptors{bus: d.Bus, address: d.Address, vendor: uint16(d.Vendor), product: uint16(d.Product)}
	for _, c := range d.Configs {
		var is []iface
		for _, i := range c.Interfaces {
			f := iface{number: i.Number}
			for _, a := range i.AltSettings {
				s := setting{alternate: a.Alternate, class: uint8(a.Class), subclass: uint8(a.SubClass), protocol: uint8(a.Protocol)}
				for _, e := range a.Endpoints {
					s.endpoints = append(s.endpoints, endpoint{uint8(e.Address), kinds[e.TransferType], e.MaxPacketSize & 0x7ff})
				}
				f.settings = append(f.settings, s)
			}
			is = append(is, f)
		}
		out.configs = append(out.configs, config{c.Number, is})
	}
	return out
}

var kinds = map[gousb.TransferType]kind{gousb.TransferTypeBulk: kindBulk, gousb.TransferTypeInterrupt: kindInterrupt}

type goHandle struct {
	dev  *gousb.Device
	desc *descriptors

	config  *gousb.Config
	claimed *gousb.Interface
}

func (h *goHandle) about() *descriptors { return h.desc }

func (h *goHandle) names() (product, serial string, err error) {
	if product, err = h.dev.Product(); err != nil {
		return "", "", failed(err)
	}
	serial, err = h.dev.SerialNumber()
	return product, serial, failed(err)
}

// raw returns libusb's own handle, for what gousb has no call for.
func (h *goHandle) raw() *C.libusb_device_handle {
	return (*C.libusb_device_handle)(reflect.ValueOf(h.dev).Elem().FieldByName("handle").UnsafePointer())
}

// claim sees to it that a driver of the kernel's lets go of the interface, and of
// this interface only: gousb would take it from all of the device.
func (h *goHandle) claim(p place) (err error) {
	if rc := C.libusb_set_auto_detach_kernel_driver(h.raw(), 1); rc != 0 && rc != C.LIBUSB_ERROR_NOT_SUPPORTED {
		return failed(gousb.Error(rc))
	}
	if h.config, err = h.dev.Config(p.config); err != nil {
		return failed(err)
	}
	if h.claimed, err = h.config.Interface(p.iface, p.alternate); err != nil {
		_ = h.config.Close() // nothing of it is claimed
		return failed(err)
	}
	return nil
}

// clearHalt tells both ends: a plain control request would leave the host's end
// with the old data toggle, and the next packet would be lost.
func (h *goHandle) clearHalt(address uint8) error {
	if rc := C.libusb_clear_halt(h.raw(), C.uchar(address)); rc != 0 {
		return failed(gousb.Error(rc))
	}
	return nil
}

// How many transfers wait on the endpoints in.
const (
	reads  = 4
	events = 2
)

func (h *goHandle) transfers(p place) (transfers, error) {
	bulk, err := newInlet(h.raw(), p.in, gousb.TransferTypeBulk, readSize, reads)
	if err != nil {
		return transfers{}, err
	}
	event, err := newInlet(h.raw(), p.event, gousb.TransferTypeInterrupt, eventSize, events)
	if err != nil {
		bulk.end()
		return transfers{}, err
	}
	out := &outlet{handle: h.raw(), address: p.out}
	return transfers{read: bulk.read, event: event.read, write: out.write, end: func() {
		bulk.end()
		event.end()
		out.end()
	}}, nil
}

func (h *goHandle) release() {
	h.claimed.Close()
	_ = h.config.Close() // nothing of it is claimed
}

func (h *goHandle) reset() error { return failed(h.dev.Reset()) }

func (h *goHandle) close() { _ = h.dev.Close() } // says only that something is claimed

// failed puts a failure in our words into what gousb says.
func failed(err error) error {
	var status gousb.TransferStatus
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status):
		if f, ok := byStatus[status]; ok {
			return f
		}
		return failOther
	}
	return failureIn(err.Error())
}

var byStatus = map[gousb.TransferStatus]failure{
	gousb.TransferError: failIO, gousb.TransferTimedOut: failTimeout, gousb.TransferCancelled: failCancelled,
	gousb.TransferStall: failStall, gousb.TransferNoDevice: failNoDevice, gousb.TransferOverflow: failOverflow,
}
