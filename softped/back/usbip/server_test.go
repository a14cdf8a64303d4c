package usbip

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"openped/softped/back/usbdev"
	"openped/usbped"
)

var testID = usbdev.IdentityOf(usbped.Info{Serial: "SP-7", Firmware: "2.9.0", Software: true}, 0, 0)

var quiet = slog.New(slog.DiscardHandler)

// startServer serves on a free port of loopback until the test ends.
func startServer(t testing.TB) (address string, ports usbdev.Ports, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{ID: testID, Speed: usbdev.High, Ports: usbdev.NewPorts(), Log: quiet}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	stop = func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			done <- nil
		case <-time.After(20 * time.Second):
			t.Error("the server does not end")
		}
	}
	t.Cleanup(stop)
	return l.Addr().String(), s.Ports, stop
}

func talk(t testing.TB, address string, request []byte) []byte {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(c) // a reset is an answer too: none
	return b
}

func TestDevlist(t *testing.T) {
	address, _, _ := startServer(t)
	want := be(uint16(0x0111), uint16(0x0005), uint32(0), uint32(1))
	path := make([]byte, 256)
	copy(path, "/sys/devices/softped/usb1/1-1")
	bus := make([]byte, 32)
	copy(bus, "1-1")
	record := append(append(path, bus...), be(uint32(1), uint32(2), uint32(3), uint16(0x1209), uint16(1), uint16(0x0290))...)
	record = append(record, 0, 0, 0, 1, 1, 1)
	if len(record) != 312 {
		t.Fatal(len(record))
	}
	want = append(append(want, record...), 0xff, 0x50, 0x01, 0)
	if got := talk(t, address, be(uint16(0x0111), uint16(0x8005), uint32(0))); !bytes.Equal(got, want) {
		t.Errorf("\n%x\n%x", got, want)
	}
	h, imported, _ := dialImport(t, address)
	if !bytes.Equal(imported, record) {
		t.Errorf("\n%x\n%x", imported, record)
	}
	// In use it is not offered to others.
	if got := talk(t, address, be(uint16(0x0111), uint16(0x8005), uint32(0))); !bytes.Equal(got, be(uint16(0x0111), uint16(0x0005), uint32(0), uint32(0))) {
		t.Errorf("%x", got)
	}
	h.c.Close()
}

func TestOneImporter(t *testing.T) {
	address, _, stop := startServer(t)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, status := importOver(t, c, "1-2"); status != statusNone {
		t.Errorf("another bus id: status %d", status)
	}
	c.Close()
	first, _, _ := dialImport(t, address)
	if _, _, status := dialImport(t, address); status != statusBusy {
		t.Errorf("second importer: status %d", status)
	}
	first.c.Close()
	for end := time.Now().Add(20 * time.Second); ; {
		h, _, status := dialImport(t, address)
		if status == 0 {
			first = h
			break
		}
		if time.Now().After(end) {
			t.Fatal("the device is not given back")
		}
	}
	first.configure(t)
	stop()
	if _, status := first.control(0x80, 8, 0, 0, 1); status != -1000 {
		t.Errorf("after the end: status %d", status)
	}
}

// What is not USB/IP is not answered, and keeps nobody else out.
func TestStrangers(t *testing.T) {
	address, _, _ := startServer(t)
	for _, request := range [][]byte{
		[]byte("GET / HTTP/1.1\r\n\r\n"), be(uint16(0x0106), uint16(0x8005), uint32(0)), be(uint16(0x0111), uint16(0x8002), uint32(0)),
	} {
		if got := talk(t, address, request); len(got) > 0 {
			t.Errorf("%q: answer %x", request, got)
		}
	}
	// As many as may call are silent: the next one is told nothing, until they go.
	var silent []net.Conn
	for range maxCallers {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	_ = silent[0].SetReadDeadline(time.Now().Add(4 * opTime))
	if _, err := silent[0].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a silent caller is not dropped: %v", err)
	}
	for end := time.Now().Add(20 * time.Second); len(talk(t, address, be(uint16(0x0111), uint16(0x8005), uint32(0)))) == 0; {
		if time.Now().After(end) {
			t.Fatal("no answer after the silent ones")
		}
	}
}

func TestAllowed(t *testing.T) {
	s := &Server{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")}}
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.8.0.1": true, "::1": true, "192.0.2.77": true, "2001:db8::1": true, "192.0.3.1": false,
		"2001:db8::2": false, "10.0.0.1": false, "fe80::1": false,
	} {
		if got := s.allowed(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if s.allowed(netip.Addr{}) {
		t.Error("an address that is none was allowed")
	}
}

// Pulled at the PED's end: who has it loses it, and nobody gets it until it is
// plugged in again.
func TestPulled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{ID: testID, Speed: usbdev.High, Ports: usbdev.NewPorts(), Log: quiet}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	h, _, _ := dialImport(t, l.Addr().String())
	h.configure(t)
	if err := s.Unplug(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, status := h.control(0x80, 8, 0, 0, 1); status == -1000 {
			break
		}
	}
	if _, _, status := dialImport(t, l.Addr().String()); status == 0 {
		t.Error("imported while pulled")
	}
	if err := s.Plug(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		if _, _, status := dialImport(t, l.Addr().String()); status == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("not offered again")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
