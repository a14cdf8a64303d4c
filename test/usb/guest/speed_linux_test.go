//go:build cgo && !nousb

package guest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/gousb"

	"openped/protocol"
	"openped/softped/back/functionfs"
	"openped/softped/back/usbdev"
	"openped/softped/back/usbip"
	"openped/test/lab"
	"openped/usbped"
	"openped/usbped/libusb"
)

// Round trips of frames, by the framing over libusb, against as many bytes there
// and back with nothing but gousb; turn by turn, so that both have the same
// machine. Printed, and not judged here: that is for people to look at.
func TestFullSpeedOfFrames(t *testing.T) {
	const rounds, trips = 20, 50
	bare, framed := openBare(t), openFramed(t, "FRAMED-1", plugIn)
	for _, size := range []int{64, 4096} {
		message := noise(make([]byte, size), 2)
		for _, way := range []func([]byte) error{bare, framed} { // warm
			for range trips {
				must(t, way(message))
			}
		}
		var took [2][]time.Duration
		for range rounds {
			for i, way := range []func([]byte) error{bare, framed} {
				begun := time.Now()
				for range trips {
					must(t, way(message))
				}
				took[i] = append(took[i], time.Since(begun)/trips)
			}
		}
		b, f := median(took[0]), median(took[1])
		fmt.Printf("usb_echo_%d_bare_us %d\n", size, b.Microseconds())
		fmt.Printf("usb_echo_%d_framed_us %d\n", size, f.Microseconds())
		fmt.Printf("usb_echo_%d_ratio %.2f\n", size, float64(b)/float64(f))
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// plugIn plugs a device in whose ports go to serve, one after the other.
func plugIn(t testing.TB, info usbped.Info, serve func(context.Context, usbped.GadgetPort)) {
	plugInAt(usbdev.High, t, info, serve)
}

func plugInAt(speed usbdev.Speed, t testing.TB, info usbped.Info, serve func(context.Context, usbped.GadgetPort)) {
	t.Helper()
	ports := usbdev.NewPorts()
	v := &usbip.VHCI{ID: usbdev.IdentityOf(info, 0, 0), Speed: speed, Ports: ports, Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); ports.Serve(ctx, serve) }()
	must(t, v.Plug())
	t.Cleanup(func() { _ = v.Unplug(); stop(); <-done })
	must(t, lab.Poll(0, "enumeration", func() error { _, err := find(info.Serial); return err }))
}

// openBare is a device that sends every transfer back, and gousb as it is.
func openBare(t testing.TB) func([]byte) error {
	t.Helper()
	info := usbped.Info{Serial: "BARE-1", Firmware: "2.9.0"}
	plugIn(t, info, func(_ context.Context, p usbped.GadgetPort) {
		defer p.Close()
		b := make([]byte, 16<<10)
		for got := 0; ; {
			n, err := p.Read(b[got:])
			if err != nil {
				return
			}
			if got += n; n == 0 || n%512 != 0 || got%4096 == 0 {
				if _, err := p.Write(b[:got]); err != nil {
					return
				}
				got = 0
			}
		}
	})
	usb := gousb.NewContext()
	t.Cleanup(func() { _ = usb.Close() })
	var d *gousb.Device
	all, _ := usb.OpenDevices(func(d *gousb.DeviceDesc) bool {
		return d.Vendor == usbdev.DefaultVendor && d.Product == usbdev.DefaultProduct
	})
	for _, one := range all {
		if s, err := one.SerialNumber(); err == nil && s == info.Serial && d == nil {
			d = one
		} else {
			_ = one.Close()
		}
	}
	if d == nil {
		t.Fatal("gousb does not find the device")
	}
	t.Cleanup(func() { _ = d.Close() })
	c, err := d.Config(1)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	face, err := c.Interface(0, 0)
	must(t, err)
	t.Cleanup(face.Close)
	out, err := face.OutEndpoint(usbdev.OutAddress & 0xf)
	must(t, err)
	in, err := face.InEndpoint(usbdev.InAddress & 0xf)
	must(t, err)
	return func(message []byte) error {
		if _, err := out.Write(message); err != nil {
			return err
		}
		n, err := in.Read(make([]byte, len(message)))
		if err == nil && n != len(message) {
			err = io.ErrShortBuffer
		}
		return err
	}
}

// The same on a device controller, where there is no bare echo to compare with.
func TestFullSpeedOfTheGadget(t *testing.T) {
	framed := openFramed(t, "FRAMED-2", plugGadget)
	const trips = 50
	for _, size := range []int{64, 4096} {
		message := noise(make([]byte, size), 2)
		var took []time.Duration
		for range trips {
			begun := time.Now()
			must(t, framed(message))
			took = append(took, time.Since(begun))
		}
		fmt.Printf("gadget_echo_%d_framed_us %d\n", size, median(took).Microseconds())
	}
}

// plugGadget is plugIn at the machine's device controller.
func plugGadget(t testing.TB, info usbped.Info, serve func(context.Context, usbped.GadgetPort)) {
	t.Helper()
	ports := usbdev.NewPorts()
	g, err := functionfs.Open(gadget.udc, usbdev.IdentityOf(info, 0, 0), ports, slog.New(slog.DiscardHandler))
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); ports.Serve(ctx, serve) }()
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		stop()
		<-done
	})
	must(t, g.Plug())
	must(t, lab.Poll(0, "enumeration", func() error { _, err := find(info.Serial); return err }))
}

// openFramed is a device that sends every frame of the channel back.
func openFramed(t testing.TB, serial string, plug func(testing.TB, usbped.Info, func(context.Context, usbped.GadgetPort))) func([]byte) error {
	t.Helper()
	info := usbped.Info{Serial: serial, Firmware: "2.9.0"}
	plug(t, info, func(ctx context.Context, p usbped.GadgetPort) {
		g := usbped.NewPortGadget(p, info)
		defer g.Close()
		for {
			m, err := g.Recv(ctx)
			switch {
			case err != nil:
			case m.Kind == usbped.HostFrame:
				err = g.SendFrame(ctx, m.Frame)
			default:
				err = g.SendEvent(ctx, protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote})
			}
			if err != nil {
				return
			}
		}
	})
	ctx := context.Background()
	d, err := libusb.Open("", info.Serial).Open(ctx)
	must(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return func(message []byte) error {
		if err := d.Send(ctx, message); err != nil {
			return err
		}
		for {
			m, err := d.Recv(ctx)
			if err != nil {
				return err
			}
			if m.Frame != nil {
				if len(m.Frame) != len(message) {
					return io.ErrShortBuffer
				}
				return nil
			}
		}
	}
}

// A whole login over USB against the same over the socket, turn by turn.
func TestFullSpeedOfALogin(t *testing.T) {
	const rounds = 10
	usb := begin(t, vhciCable{}, lab.Options{})
	socket := lab.Start(t, lab.Options{From: lab.Prepared(t, 1)})
	labs := []*lab.Lab{usb, socket}
	for _, l := range labs {
		connect(t, l)
		logInAndOut(t, l)
	}
	var took [2][]time.Duration
	for range rounds {
		for i, l := range labs {
			begun := time.Now()
			logInAndOut(t, l)
			took[i] = append(took[i], time.Since(begun))
		}
	}
	u, s := median(took[0]), median(took[1])
	fmt.Printf("usb_login_ms %d\n", u.Milliseconds())
	fmt.Printf("socket_login_ms %d\n", s.Milliseconds())
	fmt.Printf("usb_login_ratio %.2f\n", float64(s)/float64(u))
}
