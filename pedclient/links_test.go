package pedclient

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"openped/certs/linkid"
	"openped/hsm/hsmtest"
	"openped/internal/conffile"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// tlsBench is a bench whose host has an identity and registered PEDservers, and
// waits for them on a port.
type tlsBench struct {
	*bench
	conf    string // configuration file with the registrations
	own     *linkid.Identity
	servers atomic.Pointer[linkid.Registry]
	ids     atomic.Pointer[IDMap]
	addr    string // of the port for PEDservers
}

func identity(t *testing.T, name string) *linkid.Identity {
	t.Helper()
	id, err := linkid.Generate(name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// register registers a PEDserver, and has the running pedclient hear of it.
func (b *tlsBench) register(name string, id *linkid.Identity) {
	b.t.Helper()
	cert, _, err := id.Save(b.t.TempDir(), false)
	if err == nil {
		_, err = linkid.Register(b.conf, b.dir, linkid.Peer{Kind: linkid.PEDServer, Name: name}, cert)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.reload()
}

func (b *tlsBench) forget(name string) {
	b.t.Helper()
	if err := linkid.Delete(b.conf, b.dir, linkid.PEDServer, name); err != nil {
		b.t.Fatal(err)
	}
	b.reload()
}

func (b *tlsBench) reload() {
	b.t.Helper()
	reg, err := linkid.ReadRegistry(b.conf, linkid.PEDServer)
	if err != nil {
		b.t.Fatal(err)
	}
	b.servers.Store(reg)
	if f, err := conffile.Load(b.conf); err == nil {
		m, err := LoadIDs(f)
		if err != nil {
			b.t.Fatal(err)
		}
		b.ids.Store(m)
	}
	if b.bench != nil && b.c != nil {
		b.c.Reconfigure(b.c.net.clock.get())
	}
}

func newTLSBench(t *testing.T) *tlsBench {
	t.Helper()
	b := &tlsBench{conf: filepath.Join(t.TempDir(), "pedClient.conf"), own: identity(t, "hsm-host")}
	b.bench = newTunedBench(t, func(c *Config) {
		c.Identity = func() *linkid.Identity { return b.own }
		c.PEDServers = b.servers.Load
		c.IDs = b.ids.Load
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- b.c.ServeLinks(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b
}

// call is a PEDserver that calls pedclient by itself; it fails with what
// linkid says.
func (b *tlsBench) call(id *linkid.Identity) (net.Conn, error) {
	b.t.Helper()
	raw, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := linkid.Client(context.Background(), raw, id, linkid.Only(linkid.Appliance, "hsm-host", b.own.Cert), "")
	if err != nil {
		return nil, err
	}
	b.srv.mu.Lock()
	b.srv.conns = append(b.srv.conns, c)
	b.srv.mu.Unlock()
	go b.srv.serve(c)
	return c, nil
}

func (b *tlsBench) arrive(name string, id *linkid.Identity) net.Conn {
	b.t.Helper()
	old := b.c.hub.get(name)
	c, err := b.call(id)
	if err != nil {
		b.t.Fatal(err)
	}
	until(b.t, name+" is connected", func() bool { l := b.c.hub.get(name); return l != nil && l != old })
	return c
}

func pedserver(name string) hsmapi.Fields { return slot1().AddText(hsmapi.TagPEDServer, name) }

// TestPEDInitiated: the main job over a link that the PEDserver has made.
func TestPEDInitiated(t *testing.T) {
	b := newTLSBench(t)
	lab := identity(t, "lab-7")
	b.register("lab-7", lab)
	u := b.user()
	u.fails(hsmapi.PedConnect, pedserver("lab-7").AddBool(hsmapi.TagWantPassword, true), hsmapi.CKR_PED_UNPLUGGED, "PEDserver lab-7 is not connected; run `pedserver -mode connect")
	u.fails(hsmapi.PedConnect, pedserver("lab-8").AddBool(hsmapi.TagWantPassword, true), hsmapi.CKR_PEDSERVER_UNTRUSTED, "no PEDserver lab-8 is registered here")
	b.arrive("lab-7", lab)
	u.onPass = func(pw string) { b.ped.Type(pw) }
	// Nothing named: there is only one.
	u.must(hsmapi.PedConnect, slot1().AddBool(hsmapi.TagWantPassword, true))
	b.ped.Choose(hsmtest.Choice{M: 1, N: 1})
	b.ped.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	u.must(hsmapi.VectorInit, slot1())
	show := u.must(hsmapi.PedShow, slot1())
	if name, _ := show.Text(hsmapi.TagPEDServer); name != "lab-7" || !show.Bool(hsmapi.TagPEDInitiated) || !show.Bool(hsmapi.TagTLS) || show.Has(hsmapi.TagPort) {
		t.Errorf("%v", show)
	}
	if l := b.c.Status().Links; len(l) != 1 || l[0].PEDServer != "lab-7" || l[0].Slot != 1 {
		t.Errorf("%+v", l)
	}
	// It is parked and taken again, many times, on one connection.
	for range 3 {
		u.must(hsmapi.PedDisconnect, slot1())
		if l := b.c.Status().Links; len(l) != 1 || l[0].Slot != 0 {
			t.Errorf("%+v", l)
		}
		u.must(hsmapi.PedConnect, pedserver("LAB-7"))
	}
	b.srv.mu.Lock()
	calls := len(b.srv.conns)
	b.srv.mu.Unlock()
	if calls != 1 {
		t.Errorf("%d connections", calls)
	}
	u.must(hsmapi.PedDisconnect, slot1())
	b.srv.setBusy(true)
	u.fails(hsmapi.PedConnect, slot1(), hsmapi.CKR_PED_BUSY, "the PED at lab-7 (127.0.0.1) serves another HSM, for 61 s")
	b.srv.setBusy(false)
	u.must(hsmapi.PedConnect, slot1()) // the refusal has not cost the link
	u.fails(hsmapi.PedConnect, pedserver("lab-7").AddU32(hsmapi.TagPort, 5), hsmapi.CKR_OPERATION_ACTIVE, "ped disconnect")
}

// TestRegain: a PED-initiated link is lost during a session, and the PED is back
// as soon as its PEDserver is; nobody has to do anything. After a disconnect it
// stays away.
func TestRegain(t *testing.T) {
	b := newTLSBench(t)
	lab := identity(t, "lab-7")
	b.register("lab-7", lab)
	b.arrive("lab-7", lab)
	u := b.user()
	u.onPass = func(pw string) { b.ped.Type(pw) }
	u.must(hsmapi.PedConnect, slot1().AddBool(hsmapi.TagWantPassword, true))
	b.ped.Choose(hsmtest.Choice{M: 1, N: 1})
	b.ped.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	u.must(hsmapi.VectorInit, slot1())
	status := func() SlotStatus { return b.c.Status().Slots[0] }

	b.srv.cut()
	until(t, "the loss is known", func() bool { return !status().Connected && status().WaitingFor == "lab-7" })
	if s := status(); !strings.Contains(s.Reason, "broke") {
		t.Errorf("%+v", s)
	}
	b.arrive("lab-7", lab)
	until(t, "the PED is back", func() bool { return status().Connected && status().WaitingFor == "" })
	if !strings.Contains(b.log.String(), "the PED is back") {
		t.Error("nobody says so")
	}

	// Who comes while that is under way is not refused because of it.
	b.srv.cut()
	until(t, "the loss is known", func() bool { return !status().Connected && status().WaitingFor == "lab-7" })
	b.srv.hold(true)
	b.arrive("lab-7", lab)
	until(t, "it is being connected", func() bool { return status().Ceremony == "ped connect" })
	b.ped.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	b.ped.Choose(hsmtest.Choice{M: 1, N: 1})
	b.ped.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	done := make(chan error, 1)
	go func() { _, err := u.do(hsmapi.VectorInit, slot1()); done <- err }()
	time.Sleep(20 * time.Millisecond)
	select {
	case err := <-done:
		t.Errorf("over while the PED is fetched: %v", err)
	default:
	}
	b.srv.hold(false)
	if err := <-done; err != nil {
		t.Errorf("%#v", err)
	}

	// A half-open link is ended by the new one, and the PED moves over.
	old, _ := b.c.slots[0].current()
	b.arrive("lab-7", lab)
	until(t, "the PED is on the new link", func() bool {
		h, _ := b.c.slots[0].current()
		return status().Connected && status().WaitingFor == "" && h != nil && h != old
	})
	if b.c.Status().LinkLosses["replaced"] != 1 || b.c.Status().LinkLosses["broken"] != 2 {
		t.Errorf("%v", b.c.Status().LinkLosses)
	}

	b.srv.cut()
	until(t, "the loss is known", func() bool { return status().WaitingFor != "" })
	u.must(hsmapi.PedDisconnect, slot1())
	if status().WaitingFor != "" {
		t.Error("waits on after a disconnect")
	}
	b.arrive("lab-7", lab)
	time.Sleep(50 * time.Millisecond)
	if status().Connected {
		t.Error("connected against somebody's will")
	}
	// What the PEDserver ended for a reason of its own stays ended.
	u.must(hsmapi.PedConnect, slot1())
	b.srv.say(protocol.Error{Code: protocol.LinkErrIdle})
	until(t, "the end is known", func() bool { return !status().Connected })
	if status().WaitingFor != "" {
		t.Error("an idle PED is fetched back")
	}
}

// TestDeletedPEDServer: who is deleted, or registered anew, loses the link at
// once; both kinds of link.
func TestDeletedPEDServer(t *testing.T) {
	b := newTLSBench(t)
	lab := identity(t, "lab-7")
	b.register("lab-7", lab)
	b.arrive("lab-7", lab)
	b.forget("lab-7")
	if b.c.hub.get("lab-7") != nil {
		t.Error("a deleted PEDserver is still connected")
	}
	if c, err := b.call(lab); err == nil { // it hears of it with the first read
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a deleted PEDserver gets an answer")
		}
	}
	until(t, "the refusal is counted", func() bool { return b.c.Status().TLSRefusals["unregistered"] == 1 })
	until(t, "and the call", func() bool { st := b.c.Status(); return st.Connections == 2 && st.Refused[turnedIdentity] == 1 })
	b.register("lab-7", lab)
	b.arrive("lab-7", lab)
	b.forget("lab-7")
	b.register("lab-7", identity(t, "lab-7"))
	if b.c.hub.get("lab-7") != nil {
		t.Error("a PEDserver with its old certificate is still connected")
	}
	if c, err := b.call(lab); err == nil {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, _ = c.Read(make([]byte, 1))
	}
	until(t, "the refusal is counted", func() bool { return b.c.Status().TLSRefusals["regenerated"] == 1 })
}

// TestDeletedWhileConnecting: who is deleted between TLS and ACQUIRED is not
// connected. It fails when nobody looks again then.
func TestDeletedWhileConnecting(t *testing.T) {
	b := newTLSBench(t)
	lab := identity(t, "lab-7")
	b.register("lab-7", lab)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		raw, err := l.Accept()
		if err != nil {
			return
		}
		c, err := linkid.Server(context.Background(), raw, lab, linkid.Only(linkid.Appliance, "hsm-host", b.own.Cert))
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = readBody(c)
		_ = protocol.WriteBody(c, protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion})
		_, _ = readBody(c)
		b.forget("lab-7")
		_ = protocol.WriteBody(c, protocol.Acquired{Serial: "P1", Firmware: "2.9.0"})
		_, _ = io.Copy(io.Discard, c)
	}()
	f := slot1().AddText(hsmapi.TagHost, "127.0.0.1").AddU32(hsmapi.TagPort, uint32(l.Addr().(*net.TCPAddr).Port)).AddBool(hsmapi.TagTLS, true).AddBool(hsmapi.TagWantPassword, true)
	b.user().fails(hsmapi.PedConnect, f, hsmapi.CKR_PEDSERVER_UNTRUSTED, "not registered here any more")
	if s := b.c.Status().Slots[0]; s.Connected {
		t.Errorf("%+v", s)
	}
}

// TestStrangersAtThePort: those who say nothing, or nonsense, are gone in time,
// and a registered PEDserver gets in meanwhile.
func TestStrangersAtThePort(t *testing.T) {
	b := newTLSBench(t)
	lab := identity(t, "lab-7")
	b.register("lab-7", lab)
	var silent []net.Conn
	for i := range 40 {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			continue // refused already
		}
		defer c.Close()
		silent = append(silent, c)
		if i%2 == 0 {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
		}
	}
	until(t, "the PEDserver is in", func() bool {
		if raw, err := net.Dial("tcp", b.addr); err == nil {
			if c, err := linkid.Client(t.Context(), raw, lab, linkid.Only(linkid.Appliance, "hsm-host", b.own.Cert), ""); err == nil {
				go b.srv.serve(c)
				for range 20 {
					if b.c.hub.get("lab-7") != nil {
						return true
					}
					time.Sleep(5 * time.Millisecond)
				}
			}
		}
		return false
	})
	for _, c := range silent { // the rest is not left to itself
		_ = c.SetReadDeadline(time.Now().Add(greetTime + 5*time.Second))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a stranger is still there")
		}
	}
}

// TestTLSOut: HSM-initiated links with TLS, and each way in which they fail.
func TestTLSOut(t *testing.T) {
	b := newTLSBench(t)
	lab, other := identity(t, "lab-7"), identity(t, "other")
	// serve is a PEDserver with TLS: who it is, and whom it has registered.
	serve := func(id *linkid.Identity, host *linkid.Identity) uint32 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				raw, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					c, err := linkid.Server(context.Background(), raw, id, linkid.Only(linkid.Appliance, "hsm-host", host.Cert))
					if err == nil {
						b.srv.mu.Lock()
						b.srv.conns = append(b.srv.conns, c)
						b.srv.mu.Unlock()
						b.srv.serve(c)
					}
				}()
			}
		}()
		return uint32(l.Addr().(*net.TCPAddr).Port)
	}
	plainOnly := func(said protocol.Body) uint32 { // speaks no TLS
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = protocol.WriteBody(c, said)
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			}
		}()
		return uint32(l.Addr().(*net.TCPAddr).Port)
	}
	good, impostor, stranger := serve(lab, b.own), serve(other, b.own), serve(lab, other)
	tls := func(port uint32) hsmapi.Fields {
		return slot1().AddText(hsmapi.TagHost, "127.0.0.1").AddU32(hsmapi.TagPort, port).AddBool(hsmapi.TagTLS, true).AddBool(hsmapi.TagWantPassword, true)
	}
	u := b.user()
	u.onPass = func(pw string) { b.ped.Type(pw) }
	u.fails(hsmapi.PedConnect, tls(good), hsmapi.CKR_PEDSERVER_UNTRUSTED, "no PEDserver is registered here; register its certificate with")
	b.register("lab-7", lab)
	own := b.own
	b.own = nil
	u.fails(hsmapi.PedConnect, tls(good), hsmapi.CKR_PEDSERVER_UNTRUSTED, "this host has no TLS identity; make one with `pedclient -regen")
	b.own = own
	u.fails(hsmapi.PedConnect, tls(impostor), hsmapi.CKR_PEDSERVER_UNTRUSTED, "the peer's certificate is not registered here")
	u.fails(hsmapi.PedConnect, tls(stranger), hsmapi.CKR_PEDSERVER_UNTRUSTED, "closed the connection during authentication")
	u.fails(hsmapi.PedConnect, tls(plainOnly(protocol.Error{Code: protocol.LinkErrNotAllowed})), hsmapi.CKR_PEDSERVER_UNTRUSTED, "says: PEDserver does not serve this host")
	u.fails(hsmapi.PedConnect, tls(plainOnly(protocol.Ping{})), hsmapi.CKR_PEDSERVER_UNTRUSTED, "the peer does not speak TLS")
	u.fails(hsmapi.PedConnect, tls(good).AddText(hsmapi.TagPEDServer, "nobody"), hsmapi.CKR_PEDSERVER_UNTRUSTED, "no PEDserver nobody is registered here")
	b.register("other", other)
	u.fails(hsmapi.PedConnect, tls(impostor).AddText(hsmapi.TagPEDServer, "lab-7"), hsmapi.CKR_PEDSERVER_UNTRUSTED, "the certificate is that of another registered peer")
	u.must(hsmapi.PedConnect, tls(good).AddText(hsmapi.TagPEDServer, "lab-7"))
	show := u.must(hsmapi.PedShow, slot1())
	if name, _ := show.Text(hsmapi.TagPEDServer); name != "lab-7" || !show.Bool(hsmapi.TagTLS) || show.Bool(hsmapi.TagPEDInitiated) {
		t.Errorf("%v", show)
	}
	b.forget("lab-7")
	until(t, "the link has ended", func() bool { return !b.c.Status().Slots[0].Connected })
	u.fails(hsmapi.VectorInit, slot1(), hsmapi.CKR_PEDSERVER_UNTRUSTED, "not registered here any more")
	if b.c.Status().LinkLosses["unregistered"] != 1 {
		t.Errorf("%v", b.c.Status().LinkLosses)
	}
}
