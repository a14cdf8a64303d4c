package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/localsock"
	"openped/internal/setting"
	"openped/softped"
	"openped/softped/back"
	"openped/softped/back/functionfs"
	"openped/softped/back/usbdev"
	"openped/softped/back/usbip"
	"openped/usbped"
)

// usbOptions say which USB cable the PED is at: none, or one of three.
type usbOptions struct {
	address         netip.AddrPort // of the USB/IP server
	allow           []netip.Prefix
	vhci            bool
	controller      string
	vendor, product uint16
}

func (u *usbOptions) any() bool { return u.address.IsValid() || u.vhci || u.controller != "" }

func (u *usbOptions) setAddress(v string) error {
	host, port := v, strconv.Itoa(usbip.Port)
	if h, p, err := net.SplitHostPort(v); err == nil {
		host, port = h, p
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || n == 0 {
		return errors.New("must be an IP address and a port: 127.0.0.1:3240")
	}
	u.address = netip.AddrPortFrom(a, uint16(n))
	return nil
}

func (u *usbOptions) addAllowed(v string) error {
	for one := range strings.SplitSeq(v, ",") {
		p, err := setting.ParseNetwork(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		u.allow = append(u.allow, p)
	}
	return nil
}

func (u *usbOptions) setController(v string) error {
	if v == "" || v == "." || v == ".." || strings.ContainsAny(v, "/\n") {
		return errors.New("must be the name of a USB device controller, as in /sys/class/udc")
	}
	u.controller = v
	return nil
}

func (u *usbOptions) setIDs(v string) error {
	vendor, product, ok := usbped.ParseUSBID(v)
	if !ok || vendor == 0 {
		return fmt.Errorf("must be vendor and product id, each of four hexadecimal digits: %04x:%04x", usbdev.DefaultVendor, usbdev.DefaultProduct)
	}
	u.vendor, u.product = vendor, product
	return nil
}

// check refuses what does not go together.
func (u *usbOptions) check(socket bool) error {
	var given []string
	for _, b := range []struct {
		flag  string
		given bool
	}{{"-listen", socket}, {"-usbip", u.address.IsValid()}, {"-vhci", u.vhci}, {"-gadget", u.controller != ""}} {
		if b.given {
			given = append(given, b.flag)
		}
	}
	switch loopback := u.address.Addr().Unmap().IsLoopback(); {
	case len(given) > 1:
		return &cmdline.UsageError{Msg: "a PED has one cable: " + strings.Join(given, " and ") + " were given", Hint: "leave out all but one"}
	case u.address.IsValid() && !loopback && len(u.allow) == 0:
		return &cmdline.UsageError{Msg: "-usbip " + u.address.String() + " can be reached by others", Hint: "say with -usbipallow which addresses may use the PED, or give -usbip 127.0.0.1"}
	case !u.address.IsValid() && u.allow != nil:
		return &cmdline.UsageError{Msg: "-usbipallow is of no use without -usbip", Hint: "give -usbip the address to listen on"}
	case !u.any() && u.vendor != 0:
		return &cmdline.UsageError{Msg: "-usbid is of no use on a socket", Hint: "give -usbip, -vhci or -gadget"}
	}
	return nil
}

// place says where the PED is plugged in.
func (o *options) place() string {
	switch u := &o.usb; {
	case u.address.IsValid():
		return fmt.Sprintf("offered over USB/IP at %s: usbip attach -r %s -b 1-1", u.address, u.address.Addr())
	case u.vhci:
		return "plugged in to this computer's virtual USB"
	case u.controller != "":
		return "plugged in at USB device controller " + u.controller
	}
	return "plugged in at " + localsock.Name(o.listen)
}

// plugIn makes the cable that was asked for, and plugs it in.
func (u *usbOptions) plugIn(ped *softped.PED, log *slog.Logger) (*hostEnd, error) {
	ports := usbdev.NewPorts()
	id := usbdev.IdentityOf(ped.Info(), u.vendor, u.product)
	end := &hostEnd{serve: func(ctx context.Context) error { return back.ServeUSB(ctx, ports, ped) }}
	switch {
	case u.address.IsValid():
		return end, u.offer(end, &usbip.Server{ID: id, Speed: usbdev.High, Ports: ports, Allow: u.allow, Log: log})
	case u.vhci:
		v := &usbip.VHCI{ID: id, Speed: usbdev.High, Ports: ports, Log: log}
		if err := v.Plug(); err != nil {
			return nil, cmdline.Failed(err, vhciHint(err))
		}
		end.cable, end.close = v, func() { _ = v.Unplug() }
		return end, nil
	}
	g, err := functionfs.Open(u.controller, id, ports, log)
	if err == nil {
		if err = g.Plug(); err != nil {
			g.Close()
		}
	}
	if err != nil {
		return nil, cmdline.Failed(err, gadgetHint(err))
	}
	end.cable, end.close = g, func() {
		if err := g.Close(); err != nil {
			log.Warn("USB gadget not removed", "error", err)
		}
	}
	return end, nil
}

// offer opens the USB/IP server, which runs beside what serves its ports.
func (u *usbOptions) offer(end *hostEnd, s *usbip.Server) error {
	l, err := net.Listen("tcp", u.address.String())
	if err != nil {
		return cmdline.Failed(fmt.Errorf("cannot listen: %w", err), "give -usbip another address or port, or stop the usbipd that has it")
	}
	ports := end.serve
	end.cable, end.close = s, func() { l.Close() }
	end.serve = func(ctx context.Context) error {
		ctx, stop := context.WithCancel(ctx)
		served := make(chan struct{})
		go func() { defer close(served); _ = ports(ctx) }()
		err := s.Serve(ctx, l)
		stop()
		<-served
		return err
	}
	return nil
}

func vhciHint(err error) string {
	switch {
	case errors.Is(err, usbip.ErrNoVHCI):
		return "as root: modprobe vhci-hcd"
	case errors.Is(err, usbip.ErrNotRoot):
		return "run softped as root, or give -usbip 127.0.0.1 and let root run usbip attach"
	case errors.Is(err, usbip.ErrNoPort):
		return "free one: usbip port lists them, usbip detach frees one"
	case errors.Is(err, usbip.ErrNotLinux):
		return "give -usbip and attach from a Linux computer, or -listen"
	}
	return "see the kernel's log (dmesg)"
}

func gadgetHint(err error) string {
	var none *functionfs.NoControllerError
	var busy *functionfs.BusyError
	switch {
	case errors.As(err, &none):
		return none.Hint()
	case errors.As(err, &busy):
		return "remove the other gadget, or unbind it: echo > /sys/kernel/config/usb_gadget/NAME/UDC"
	case errors.Is(err, functionfs.ErrNotRoot):
		return "run softped as root"
	case errors.Is(err, functionfs.ErrNoConfigFS):
		return "as root: modprobe libcomposite"
	case errors.Is(err, functionfs.ErrNoFunction):
		return "as root: modprobe usb_f_fs"
	case errors.Is(err, functionfs.ErrServed):
		return "stop the other softped, or give -gadget another controller"
	case errors.Is(err, functionfs.ErrNotLinux):
		return "give -usbip and attach from a Linux computer, or -listen"
	}
	return "see the kernel's log (dmesg)"
}
