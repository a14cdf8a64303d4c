package lab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Network is a network of a test's own: hosts, each a network namespace, and
// cables between them. It is made with iproute2 and needs root.
type Network struct {
	t     testing.TB
	hosts map[string]*Host
}

// Host is one namespace of a Network. It is a Place for programs.
type Host struct {
	t  testing.TB
	ns string // the namespace's name
}

var networks atomic.Uint32

// NewNetwork makes a network without hosts. Where it cannot be made the test is
// skipped, in CI it fails.
func NewNetwork(t testing.TB) *Network {
	t.Helper()
	switch _, err := exec.LookPath("ip"); {
	case err != nil:
		Lacks(t, "network namespaces need iproute2: run  scripts/setup  as root, or  apt-get install iproute2")
	case os.Geteuid() != 0:
		Lacks(t, "network namespaces need root")
	}
	sweep.Do(clearNetworks)
	return &Network{t: t, hosts: map[string]*Host{}}
}

const namespaces = "/run/netns" // where ip keeps them

var sweep sync.Once

// clearNetworks removes what tests have left that were killed.
func clearNetworks() {
	left, _ := filepath.Glob(filepath.Join(namespaces, "openped-*"))
	for _, path := range left {
		ns := filepath.Base(path)
		pid, _, _ := strings.Cut(strings.TrimPrefix(ns, "openped-"), "-")
		if n, err := strconv.Atoi(pid); err == nil && unix.Kill(n, 0) == unix.ESRCH {
			_ = exec.Command("ip", "netns", "del", ns).Run()
			_ = os.RemoveAll(filepath.Join(names, ns))
		}
	}
}

// Host makes a host that has its loopback and nothing else.
func (n *Network) Host(name string) *Host {
	n.t.Helper()
	h := &Host{t: n.t, ns: fmt.Sprintf("openped-%d-%d-%s", os.Getpid(), networks.Add(1), name)}
	ip(n.t, "netns", "add", h.ns)
	n.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", h.ns).Run() })
	h.ip("link", "set", "lo", "up")
	n.hosts[name] = h
	return h
}

// Cable joins two hosts by devices of that name, both up and without addresses
// but those of the link.
func (n *Network) Cable(dev string, a, b *Host) {
	n.t.Helper()
	ip(n.t, "link", "add", dev, "netns", a.ns, "type", "veth", "peer", "name", dev, "netns", b.ns)
	a.Up(dev)
	b.Up(dev)
}

// Add gives a device an address with its prefix length, usable at once.
func (h *Host) Add(dev, prefix string) {
	h.t.Helper()
	args := []string{"addr", "add", prefix, "dev", dev}
	if strings.Contains(prefix, ":") {
		args = append(args, "nodad")
	}
	h.ip(args...)
}

// Remove takes an address from a device.
func (h *Host) Remove(dev, prefix string) {
	h.t.Helper()
	h.ip("addr", "del", prefix, "dev", dev)
}

// Down takes a device away: what was to pass it vanishes, and nobody is told.
// Its peer sees the cable without a signal.
func (h *Host) Down(dev string) { h.t.Helper(); h.ip("link", "set", dev, "down") }

// Up brings a device back, with its IPv4 addresses; IPv6 ones are gone.
func (h *Host) Up(dev string) { h.t.Helper(); h.ip("link", "set", dev, "up") }

// Swallow makes the host drop what it would send to prefix, without a word: a
// black hole in one direction. Undo with Deliver.
func (h *Host) Swallow(prefix string) {
	h.t.Helper()
	h.ip("route", "add", "blackhole", prefix)
}

// Deliver undoes Swallow.
func (h *Host) Deliver(prefix string) {
	h.t.Helper()
	h.ip("route", "del", "blackhole", prefix)
}

// Shut is a firewall that nobody tells of: who calls the port gets no answer.
// Calls from the host pass. Undo with Open.
func (h *Host) Shut(port int) {
	h.t.Helper()
	for _, family := range []string{"-4", "-6"} {
		h.ip(family, "rule", "add", "ipproto", "tcp", "sport", strconv.Itoa(port), "blackhole")
	}
}

// Open undoes Shut.
func (h *Host) Open(port int) {
	h.t.Helper()
	for _, family := range []string{"-4", "-6"} {
		h.ip(family, "rule", "del", "ipproto", "tcp", "sport", strconv.Itoa(port), "blackhole")
	}
}

// names is where `ip netns exec` looks for a host's own files.
const names = "/etc/netns"

// Names are the names that programs on the host know, with their addresses;
// those that run learn of changes. It has to be called before they are started.
func (h *Host) Names(addrs map[string]string) {
	h.t.Helper()
	dir := filepath.Join(names, h.ns)
	text := "127.0.0.1 localhost\n::1 localhost\n"
	for name, addr := range addrs {
		text += addr + " " + name + "\n"
	}
	if _, err := os.Stat(dir); err != nil {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	}
	// In place: it is mounted over /etc/hosts.
	if err := os.WriteFile(filepath.Join(dir, "hosts"), []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// Route sends what is for prefix to a gateway.
func (h *Host) Route(prefix, via string) {
	h.t.Helper()
	h.ip("route", "add", prefix, "via", via)
}

func (h *Host) ip(args ...string) { h.t.Helper(); ip(h.t, append([]string{"-n", h.ns}, args...)...) }

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, lastLine(string(out)))
	}
}

// Put makes a program start on the host.
func (h *Host) Put(cmd *exec.Cmd) {
	path, err := exec.LookPath("ip")
	if err != nil {
		cmd.Err = err
		return
	}
	cmd.Args = append([]string{"ip", "netns", "exec", h.ns, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = path
}

// Dial is net.Dial from the host; addr is an address, no name.
func (h *Host) Dial(d net.Dialer, addr string) (c net.Conn, err error) {
	h.enter(func() { c, err = d.Dial("tcp", addr) }, &err)
	return c, err
}

// Listen is net.Listen on the host.
func (h *Host) Listen(addr string) (l net.Listener, err error) {
	h.enter(func() { l, err = net.Listen("tcp", addr) }, &err)
	return l, err
}

// enter runs f in a thread that is on the host meanwhile: a socket stays where it
// was made. The thread must live on: what it has started would end with it.
func (h *Host) enter(f func(), err *error) {
	runtime.LockOSThread()
	home, e := os.Open("/proc/thread-self/ns/net")
	if e == nil {
		defer home.Close()
		e = setns(filepath.Join(namespaces, h.ns))
	}
	if e != nil {
		runtime.UnlockOSThread()
		*err = fmt.Errorf("enter %s: %w", h.ns, e)
		return
	}
	f()
	if e := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); e != nil {
		panic(fmt.Sprintf("a thread cannot leave %s: %v", h.ns, e))
	}
	runtime.UnlockOSThread()
}

func setns(path string) error {
	ns, err := os.Open(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	return unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
}
