package usbdev

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"openped/usbped"
)

// host submits transfers and keeps what became of them.
type host struct {
	d    *Device
	done map[*Transfer]result
}

type result struct {
	status Status
	data   []byte
	taken  int
}

func newHost(t *testing.T) (*host, Ports) {
	ports := NewPorts()
	d := New(testID, High, ports)
	t.Cleanup(d.Unplug)
	return &host{d, map[*Transfer]result{}}, ports
}

func (h *host) submit(t *Transfer) *Transfer {
	t.Done = func(s Status, data []byte, taken int) {
		if _, twice := h.done[t]; twice {
			panic("a transfer is done twice")
		}
		h.done[t] = result{s, data, taken}
	}
	h.d.Submit(t)
	return t
}

func (h *host) control(s Setup) result {
	endpoint := s.Type & 0x80
	return h.done[h.submit(&Transfer{Endpoint: endpoint, Setup: s, Room: int(s.Length)})]
}

func (h *host) configure(t *testing.T, ports Ports) usbped.GadgetPort {
	t.Helper()
	if r := h.control(ask(0, setConfiguration, 1, 0, 0)); r.status != StatusOK {
		t.Fatal(r)
	}
	select {
	case p := <-ports:
		return p
	default:
		t.Fatal("no port")
		return nil
	}
}

func (h *host) want(t *testing.T, name string, tr *Transfer, s Status, data string, taken int) {
	t.Helper()
	synctest.Wait()
	r, ok := h.done[tr]
	if !ok || r.status != s || string(r.data) != data || r.taken != taken {
		t.Errorf("%s: done %v, %+v; want status %d, %d bytes, %d taken", name, ok, r, s, len(data), taken)
	}
}

func TestOutWaitsForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ports := newHost(t)
		early := h.submit(&Transfer{Endpoint: OutAddress, Data: []byte("x")})
		h.want(t, "before the configuration", early, StatusStall, "", 0)
		p := h.configure(t, ports)
		one := h.submit(&Transfer{Endpoint: OutAddress, Data: []byte("hello")})
		two := h.submit(&Transfer{Endpoint: OutAddress, Data: []byte("world")})
		none := h.submit(&Transfer{Endpoint: OutAddress})
		h.want(t, "nothing", none, StatusOK, "", 0)
		b := make([]byte, 3)
		read := func(want string) {
			t.Helper()
			if n, err := p.Read(b); err != nil || string(b[:n]) != want {
				t.Errorf("%q %v, want %q", b[:n], err, want)
			}
		}
		read("hel")
		if _, done := h.done[one]; done {
			t.Error("done before it was read")
		}
		read("lo") // never across the end of a transfer
		h.want(t, "read", one, StatusOK, "", 5)
		read("wor")
		if !h.d.Cancel(two) || h.d.Cancel(two) || h.d.Cancel(one) {
			t.Error("cancel")
		}
		// A reader that waits gets what comes, and the end.
		got := make(chan string)
		go func() {
			n, _ := p.Read(b)
			got <- string(b[:n])
			_, err := p.Read(b)
			got <- err.Error()
		}()
		synctest.Wait()
		h.submit(&Transfer{Endpoint: OutAddress, Data: []byte("new")})
		if s := <-got; s != "new" {
			t.Errorf("%q", s)
		}
		h.d.Unplug()
		if s := <-got; s != ErrGone.Error() {
			t.Errorf("%q", s)
		}
		h.want(t, "unplugged", h.submit(&Transfer{Endpoint: OutAddress, Data: []byte("x")}), StatusShutdown, "", 0)
	})
}

func TestInWaitsForTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ports := newHost(t)
		p := h.configure(t, ports)
		write := func(f func([]byte) (int, error), b []byte) chan error {
			done := make(chan error, 1)
			go func() {
				n, err := f(b)
				if err == nil && n != len(b) {
					err = errors.New("short")
				}
				done <- err
			}()
			synctest.Wait()
			return done
		}
		// A short packet ends a transfer.
		in := h.submit(&Transfer{Endpoint: InAddress, Room: 16384})
		if err := <-write(p.Write, []byte("abc")); err != nil {
			t.Fatal(err)
		}
		h.want(t, "short", in, StatusOK, "abc", 0)
		// A full packet does not: the host waits for more.
		packet := bytes.Repeat([]byte("p"), 512)
		in = h.submit(&Transfer{Endpoint: InAddress, Room: 16384})
		if err := <-write(p.Write, packet); err != nil {
			t.Fatal(err)
		}
		if _, done := h.done[in]; done {
			t.Error("a full packet ended a transfer")
		}
		if err := <-write(p.Write, []byte("x")); err != nil {
			t.Fatal(err)
		}
		h.want(t, "packet and short", in, StatusOK, string(packet)+"x", 0)
		// A host that asks packet by packet gets packets; the writer waits for it.
		w := write(p.Write, append(packet, "tail"...))
		in = h.submit(&Transfer{Endpoint: InAddress, Room: 512})
		h.want(t, "first packet", in, StatusOK, string(packet), 0)
		select {
		case err := <-w:
			t.Error("written while half was not asked for", err)
		default:
		}
		in = h.submit(&Transfer{Endpoint: InAddress, Room: 512})
		h.want(t, "second packet", in, StatusOK, "tail", 0)
		if err := <-w; err != nil {
			t.Error(err)
		}
		// Events have a lane of their own.
		e := write(p.WriteEvent, []byte("event"))
		in = h.submit(&Transfer{Endpoint: EventAddress, Room: 64})
		h.want(t, "event", in, StatusOK, "event", 0)
		if err := <-e; err != nil {
			t.Error(err)
		}
		// What waits ends with the cable.
		w = write(p.Write, []byte("late"))
		in = h.submit(&Transfer{Endpoint: EventAddress, Room: 64})
		h.d.Unplug()
		h.want(t, "unplugged", in, StatusShutdown, "", 0)
		if err := <-w; err != ErrGone {
			t.Error(err)
		}
	})
}

// A host that configures the device again, as after a reset of the bus, meets a
// new port; the old one is over.
func TestConfiguredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ports := newHost(t)
		old := h.configure(t, ports)
		out := h.submit(&Transfer{Endpoint: OutAddress, Data: []byte("old")})
		p := h.configure(t, ports)
		h.want(t, "old transfer", out, StatusShutdown, "", 0)
		if _, err := old.Read(make([]byte, 8)); err != ErrGone {
			t.Error(err)
		}
		if _, err := old.Write([]byte("x")); err != ErrGone {
			t.Error(err)
		}
		if err := old.Close(); err != nil { // harms nobody
			t.Error(err)
		}
		h.submit(&Transfer{Endpoint: OutAddress, Data: []byte("new")})
		b := make([]byte, 8)
		if n, err := p.Read(b); err != nil || string(b[:n]) != "new" {
			t.Error(n, err)
		}
		// Nobody took these: the last one counts.
		h.configure(t, ports)
		if r := h.control(ask(0, setConfiguration, 1, 0, 0)); r.status != StatusOK {
			t.Fatal(r)
		}
		p = h.configure(t, ports)
		in := h.submit(&Transfer{Endpoint: InAddress, Room: 64})
		if _, err := p.Write([]byte("x")); err != nil {
			t.Error("the port of the last configuration:", err)
		}
		h.want(t, "last port", in, StatusOK, "x", 0)
		if r := h.control(ask(0, setConfiguration, 0, 0, 0)); r.status != StatusOK || len(ports) != 0 {
			t.Error("unconfigured, and a port", r)
		}
		if _, err := p.Read(b); err != ErrGone {
			t.Error(err)
		}
	})
}

// A PED that gives its host up halts all endpoints. The host ends the halts, and
// what it sends then is the next port's.
func TestPEDGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ports := newHost(t)
		p := h.configure(t, ports)
		in := h.submit(&Transfer{Endpoint: InAddress, Room: 512})
		p.Close()
		p.Close()
		h.want(t, "pending", in, StatusStall, "", 0)
		next := <-ports
		for _, e := range []uint8{OutAddress, InAddress, EventAddress} {
			h.want(t, "halted", h.submit(&Transfer{Endpoint: e, Room: 64, Data: []byte("x")}), StatusStall, "", 0)
			if r := h.control(ask(toEndpoint, clearFeature, endpointHalt, uint16(e), 0)); r.status != StatusOK {
				t.Error(r)
			}
		}
		h.submit(&Transfer{Endpoint: OutAddress, Data: []byte("again")})
		b := make([]byte, 8)
		if n, err := next.Read(b); err != nil || string(b[:n]) != "again" {
			t.Error(n, err)
		}
	})
}

func TestControlTransfers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := newHost(t)
		if r := h.control(ask(fromDevice, getDescriptor, typeDevice<<8, 0, 64)); r.status != StatusOK || !bytes.Equal(r.data, testID.Device()) {
			t.Errorf("%+v", r)
		}
		if r := h.control(ask(fromDevice, getDescriptor, 99<<8, 0, 64)); r.status != StatusStall {
			t.Errorf("%+v", r)
		}
		// No request of ours has data for the device.
		if r := h.control(ask(toDevice, setConfiguration, 1, 0, 4)); r.status != StatusStall {
			t.Errorf("%+v", r)
		}
		// The room of the transfer counts as well as the length of the request.
		in := h.submit(&Transfer{Endpoint: 0x80, Setup: ask(fromDevice, getDescriptor, typeDevice<<8, 0, 64), Room: 4})
		h.want(t, "room", in, StatusOK, string(testID.Device()[:4]), 0)
	})
}
