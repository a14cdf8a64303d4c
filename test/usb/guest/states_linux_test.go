package guest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"openped/pedserver"
	"openped/softped/back/usbdev"
	"openped/softped/back/usbip"
	"openped/test/lab"
	"openped/usbped"
)

// F-09: a PED that was attached while PEDserver was stopped is not found. Here it
// is, whenever it comes: before the start, after it, while it is stopped; and in
// place of another.
func TestF09_AttachedAtAnyTime(t *testing.T) {
	l := prepare(t, vhciCable{}, lab.Options{})
	l.StartServer()
	showSays(t, l.Stage, "no PED found", "plug the PED in")
	l.StartPED()
	first := serial(t, l)
	ready(t, l)

	l.Server().Stop()
	pull(t, first)
	must(t, vhciCable{}.plug(l.PED()))
	plugged(t, l, first)
	l.StartServer()
	ready(t, l)

	l.PED().Stop()
	second, err := lab.StartPED(l.Stage, "-vhci", "-keys", l.Keys(), "-state", l.Path("other.state"), "-serial", "OTHER-1")
	must(t, err)
	defer second.Stop()
	desk(t, l, "the other PED", func(s pedserver.Status) bool { return s.PED.Connected && s.PED.Serial == "OTHER-1" })
}

// Of two PEDs one has to be chosen: show names both, and how.
func TestTwoPEDs(t *testing.T) {
	l := prepare(t, vhciCable{}, lab.Options{})
	l.StartPED()
	first := serial(t, l)
	second, err := lab.StartPED(l.Stage, append(gadget.flags(), "-keys", l.Keys(), "-state", l.Path("other.state"), "-serial", "OTHER-2")...)
	must(t, err)
	defer second.Stop()
	plugged(t, l, first)
	plugged(t, l, "OTHER-2")
	l.StartServer()
	showSays(t, l.Stage, "2 PEDs", "-peddevice usb:"+first, "-peddevice usb:OTHER-2")
	l.Server().Stop()

	port, err := lab.FreePort()
	must(t, err)
	p, err := l.Start("pedserver", nil, "pedserver", "-mode", "start", "-foreground", "-ip", "127.0.0.1", "-port", strconv.Itoa(port), "-peddevice", "usb:OTHER-2")
	must(t, err)
	defer p.Stop()
	desk(t, l, "the one that was chosen", func(s pedserver.Status) bool { return s.PED.Connected && s.PED.Serial == "OTHER-2" })
}

// as is a user of the machine; a Place.
type as struct{ uid, groups []uint32 }

var (
	pedUser = as{uid: []uint32{1000}, groups: []uint32{46}} // in openped
	visitor = as{uid: []uint32{1001}}
)

func (a as) Put(c *exec.Cmd) {
	if c.SysProcAttr == nil {
		c.SysProcAttr = new(syscall.SysProcAttr)
	}
	c.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid[0], Gid: a.uid[0], Groups: a.groups}
}

// serverOf starts a pedserver of a user's own.
func serverOf(t *testing.T, user as) *lab.Stage {
	t.Helper()
	s, err := lab.NewStage(lab.Bin(t), "")
	must(t, err)
	t.Cleanup(func() { _ = s.Close(false) })
	must(t, os.Chown(s.Dir, int(user.uid[0]), int(user.uid[0])))
	s.Places = map[string]lab.Place{"pedserver": user}
	port, err := lab.FreePort()
	must(t, err)
	_, err = s.Start("pedserver", nil, "pedserver", "-mode", "start", "-foreground", "-ip", "127.0.0.1", "-port", strconv.Itoa(port), "-peddevice", "usb", "-logfile", s.Path("log"))
	must(t, err)
	return s
}

// F-12: no driver, or not accepted yet. Here there is no driver: an ordinary user
// gets at the PED by a rule of udev that we ship. Without it show tells which, and
// who is not in the group has no use of it.
func TestF12_AnOrdinaryUserByTheRule(t *testing.T) {
	l := prepare(t, vhciCable{}, lab.Options{})
	l.StartPED()
	d := plugged(t, l, serial(t, l))
	member, stranger := serverOf(t, pedUser), serverOf(t, visitor)
	for _, s := range []*lab.Stage{member, stranger} {
		showSays(t, s, "no permission to open the PED", usbped.UdevRule, usbped.UdevGroup)
	}

	rules, _ := filepath.Glob(filepath.Join(os.Getenv(machineEnv), "udev", "*.rules"))
	if len(rules) != 1 || filepath.Base(rules[0]) != filepath.Base(usbped.UdevRule) {
		t.Fatalf("the rules shipped are %v, show speaks of %s", rules, usbped.UdevRule)
	}
	b, err := os.ReadFile(rules[0])
	must(t, err)
	must(t, os.WriteFile(usbped.UdevRule, b, 0o644))
	t.Cleanup(func() { _ = os.Remove(usbped.UdevRule); _ = run("udevadm", "control", "--reload") })
	must(t, run("udevadm", "control", "--reload"))
	pull(t, serial(t, l)) // as show says: plug it in again
	l.Poll(0, "the node gone", func() error {
		if lab.Exists(d.node()) && len(peds()) > 0 {
			return fmt.Errorf("%s is there", d)
		}
		return nil
	})
	must(t, vhciCable{}.plug(l.PED()))
	plugged(t, l, serial(t, l))
	showSays(t, member, "Connection Status:   Connected")
	showSays(t, stranger, "no permission to open the PED")
}

// F-29: somebody else has the PED, and an error says something else. Here show
// names who has it; and when it is given up pedserver takes it by itself. The other
// way round a stopped pedserver has given it up.
func TestF29_HeldByAnotherProgram(t *testing.T) {
	l := prepare(t, vhciCable{}, lab.Options{})
	l.StartPED()
	d := plugged(t, l, serial(t, l))
	release := claim(t, d)
	l.StartServer()
	showSays(t, l.Stage, "PED in use by", testName(t), strconv.Itoa(os.Getpid()))
	release()
	ready(t, l)
	l.Server().Stop()
	claim(t, d)()
}

// claim takes a PED's interface as any program would, and returns how to give it up.
func claim(t *testing.T, d device) (release func()) {
	t.Helper()
	f, err := os.OpenFile(d.node(), os.O_RDWR, 0)
	must(t, err)
	const claimInterface = 0x8004550f // USBDEVFS_CLAIMINTERFACE
	must(t, unix.IoctlSetPointerInt(int(f.Fd()), claimInterface, 0))
	return func() { _ = f.Close() }
}

func testName(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/comm")
	must(t, err)
	return strings.TrimSpace(string(b))
}

// F-02: enumerated, and mute, until somebody power-cycles it. Here its port is
// reset, which is enough for one that only fell asleep; nobody is asked.
func TestF02_MuteUntilItsPortIsReset(t *testing.T) {
	l, configured := mute(t, 1)
	ready(t, l)
	if n := configured.Load(); n < 2 {
		t.Errorf("configured %d times: its port was not reset", n)
	}
}

// One that stays mute is named, with what is left to do.
func TestMuteForever(t *testing.T) {
	l, configured := mute(t, 1<<30)
	showSays(t, l.Stage, "PED does not answer", "unplug the PED and plug it in again")
	if n := configured.Load(); n < 2 {
		t.Errorf("configured %d times: its port was not reset", n)
	}
}

// mute plugs a device in that says nothing the first n times that a host has
// configured it, and counts those.
func mute(t *testing.T, n int32) (*lab.Lab, *atomic.Int32) {
	t.Helper()
	info := usbped.Info{Serial: "MUTE-1", Firmware: "2.9.0", Product: "mute"}
	ports, configured := usbdev.NewPorts(), new(atomic.Int32)
	v := &usbip.VHCI{ID: usbdev.IdentityOf(info, 0, 0), Speed: usbdev.High, Ports: ports, Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ports.Serve(ctx, func(ctx context.Context, p usbped.GadgetPort) {
			defer p.Close()
			if configured.Add(1) <= n {
				b := make([]byte, 16<<10)
				for {
					if _, err := p.Read(b); err != nil {
						return
					}
				}
			}
			g := usbped.NewPortGadget(p, info)
			defer g.Close()
			for {
				if _, err := g.Recv(ctx); err != nil {
					return
				}
			}
		})
	}()
	must(t, v.Plug())
	t.Cleanup(func() { _ = v.Unplug(); stop(); <-done })
	l := lab.New(t, lab.Options{Device: "usb"})
	plugged(t, l, info.Serial)
	l.StartServer()
	return l, configured
}

// F-05: a device error at the login, because the PED is in another mode. Here show
// names the mode and how to choose the right one; then it works.
func TestF05_WrongMode(t *testing.T) {
	l := begin(t, vhciCable{}, lab.Options{Mode: "local"})
	showSays(t, l.Stage, "local", "choose Remote")
	end, err := l.Perform(lab.Play{Command: l.Connect(), People: lab.Everybody()})
	if err != nil || end.OK() {
		t.Fatalf("a PED in Local served a remote HSM: %v\n%s", err, end)
	}
	says(t, end.Output, "mode")
	must(t, l.PED().Mode("remote"))
	connect(t, l)
	logInAndOut(t, l)
	unharmed(t, l)
}
