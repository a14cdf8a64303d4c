//go:build cgo && !nousb

package libusb

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/google/gousb"

	"openped/usbped"
)

// TestRaw: the field of gousb's that holds libusb's handle is where we look.
func TestRaw(t *testing.T) {
	if got := (&goHandle{dev: new(gousb.Device)}).raw(); got != nil {
		t.Error(got)
	}
}

func TestFailed(t *testing.T) {
	for err, want := range map[error]failure{
		gousb.TransferNoDevice: failNoDevice, gousb.TransferError: failIO, gousb.TransferCancelled: failCancelled, gousb.TransferStall: failStall,
		gousb.TransferTimedOut: failTimeout, gousb.TransferOverflow: failOverflow, gousb.TransferStatus(99): failOther,
		gousb.ErrorNoDevice: failNoDevice, gousb.ErrorBusy: failBusy, gousb.ErrorAccess: failAccess, gousb.ErrorNotFound: failNotFound,
		gousb.ErrorIO: failIO, gousb.ErrorPipe: failStall, gousb.ErrorTimeout: failTimeout, gousb.ErrorOverflow: failOverflow,
		gousb.ErrorNotSupported: failNotSupported, gousb.ErrorOther: failOther, gousb.ErrorNoMem: failOther,
	} {
		for _, e := range []error{err, fmt.Errorf("failed to do it: %w", err), fmt.Errorf("failed to do it: %v", err)} {
			var status gousb.TransferStatus
			if errors.As(err, &status) && !errors.As(e, &status) {
				continue // gousb does not wrap these
			}
			if got := failed(e); got != want {
				t.Errorf("%v: %v", e, got)
			}
		}
	}
	if failed(nil) != nil {
		t.Error("nil is a failure")
	}
}

func TestAbout(t *testing.T) {
	d := about(&gousb.DeviceDesc{Bus: 1, Address: 2, Vendor: 0x1209, Product: 1, Configs: map[int]gousb.ConfigDesc{1: {Number: 1,
		Interfaces: []gousb.InterfaceDesc{{Number: 0, AltSettings: []gousb.InterfaceSetting{{Class: 0xff, SubClass: 0x50, Protocol: 1,
			Endpoints: map[gousb.EndpointAddress]gousb.EndpointDesc{
				0x01: {Address: 0x01, TransferType: gousb.TransferTypeBulk, MaxPacketSize: 512},
				0x82: {Address: 0x82, TransferType: gousb.TransferTypeBulk, MaxPacketSize: 512},
				0x83: {Address: 0x83, TransferType: gousb.TransferTypeInterrupt, MaxPacketSize: 0x0840},
			}}}}}}}})
	if p, ok := d.find(); !ok || p != pedPlace || d.bus != 1 || d.address != 2 || d.vendor != 0x1209 || d.product != 1 {
		t.Errorf("%+v, %+v", d, p)
	}
}

// TestRealStart: libusb starts, or it is said that there is no USB; there is no
// panic, and nothing is opened.
func TestRealStart(t *testing.T) {
	b, err := system.start()
	if err != nil {
		if !errors.Is(err, usbped.ErrNoUSB) {
			t.Error(err)
		}
		t.Log("no USB here:", err)
		return
	}
	if _, err := os.Stat("/sys/bus/usb"); err != nil {
		t.Log("started without USB")
	}
	if _, err := b.open(func(*descriptors) bool { return false }); err != nil {
		t.Log(err)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
}
