package libusb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"openped/internal/admin/admintest"
	"openped/usbped"
)

// kernel makes folders like those of the kernel, with a file for each line
// "path: text".
func kernel(t *testing.T, lines ...string) linux {
	t.Helper()
	dir := t.TempDir()
	l := linux{sys: filepath.Join(dir, "sys"), dev: filepath.Join(dir, "dev"), proc: filepath.Join(dir, "proc")}
	for _, f := range []string{l.sys, l.dev, l.proc} {
		if err := os.Mkdir(f, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range lines {
		path, text, _ := strings.Cut(line, ": ")
		write(t, filepath.Join(dir, path), text+"\n")
	}
	return l
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// sysPED are the files of a PED on a port, without those that are overruled.
func sysPED(port, address, serial string, others ...string) []string {
	lines := []string{"sys/usb1/idVendor: 1d6b", "sys/1-0:1.0/bInterfaceClass: 09"}
	for _, l := range append([]string{port + "/idVendor: 1209", port + "/idProduct: 0001", port + "/busnum: 1", port + "/devnum: " + address,
		port + "/product: Open Remote PED (software)", port + "/serial: " + serial,
		port + ":1.0/bInterfaceClass: ff", port + ":1.0/bInterfaceSubClass: 50", port + ":1.0/bInterfaceProtocol: 01"}, others...) {
		lines = append(lines, "sys/"+l)
	}
	return lines
}

func TestLook(t *testing.T) {
	any, ours := wanted{}, wanted{true, 0x1209, 1}
	for name, c := range map[string]struct {
		lines []string
		ids   wanted
		want  string
	}{
		"nothing":         {nil, any, ""},
		"one":             {sysPED("1-1", "17", "P1"), any, "P1 001/017"},
		"its ids":         {sysPED("1-1", "17", "P1"), ours, "P1 001/017"},
		"behind a hub":    {sysPED("1-1.4.2", "127", "P1"), any, "P1 001/127"},
		"two":             {append(sysPED("1-1", "17", "P1"), sysPED("1-2", "18", "P2")...), any, "P1 001/017, P2 001/018"},
		"other vendor":    {sysPED("1-1", "17", "P1", "1-1/idVendor: 1d6b"), ours, ""},
		"other ids":       {sysPED("1-1", "17", "P1", "1-1/idProduct: 0002"), ours, ""},
		"any ids":         {sysPED("1-1", "17", "P1", "1-1/idProduct: beef"), any, "P1 001/017"},
		"other product":   {sysPED("1-1", "17", "P1", "1-1/product: Open Remote"), any, ""},
		"other class":     {sysPED("1-1", "17", "P1", "1-1:1.0/bInterfaceClass: fe"), any, ""},
		"other subclass":  {sysPED("1-1", "17", "P1", "1-1:1.0/bInterfaceSubClass: ff"), any, ""},
		"other protocol":  {sysPED("1-1", "17", "P1", "1-1:1.0/bInterfaceProtocol: 02"), any, ""},
		"half gone":       {[]string{"sys/1-1:1.0/bInterfaceClass: ff", "sys/1-1:1.0/bInterfaceSubClass: 50", "sys/1-1:1.0/bInterfaceProtocol: 01"}, any, ""},
		"no number":       {sysPED("1-1", "17", "P1", "1-1/devnum: many"), any, ""},
		"no serial":       {sysPED("1-1", "17", ""), any, " 001/017"},
		"second function": {sysPED("1-1", "17", "P1", "1-1:1.0/bInterfaceClass: 03", "1-1:1.1/bInterfaceClass: ff", "1-1:1.1/bInterfaceSubClass: 50", "1-1:1.1/bInterfaceProtocol: 01"), any, "P1 001/017"},
	} {
		l := kernel(t, c.lines...)
		spots, known, err := l.look(c.ids)
		var got []string
		for _, s := range spots {
			got = append(got, s.serial+" "+strings.TrimPrefix(s.node, l.dev+"/"))
			if s.bus != 1 || s.address == 0 {
				t.Errorf("%s: %+v", name, s)
			}
		}
		if len(got) == 2 && got[0] > got[1] {
			got[0], got[1] = got[1], got[0]
		}
		if strings.Join(got, ", ") != c.want || !known || err != nil {
			t.Errorf("%s: %q, %v, %v", name, got, known, err)
		}
	}
	if _, known, err := (linux{sys: t.TempDir() + "/none"}).look(wanted{}); !known || !errors.Is(err, usbped.ErrNoUSB) {
		t.Error(known, err)
	}
}

func TestHolder(t *testing.T) {
	l := kernel(t, "proc/812/comm: softpedd", "proc/813/comm: other", "proc/self/comm: x", "proc/814/stat: x", "proc/"+strconv.Itoa(os.Getpid())+"/comm: us")
	s := &spot{node: "/dev/bus/usb/001/017"}
	link := func(pid, fd, to string) {
		folder := filepath.Join(l.proc, pid, "fd")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(folder, fd)); err != nil {
			t.Fatal(err)
		}
	}
	link("813", "0", "/dev/bus/usb/001/018")
	link(strconv.Itoa(os.Getpid()), "3", s.node)
	if name, pid := l.holder(s); pid != 0 {
		t.Error(name, pid)
	}
	link("812", "0", "/dev/null")
	link("812", "9", s.node)
	if name, pid := l.holder(s); name != "softpedd" || pid != 812 {
		t.Error(name, pid)
	}
}

// TestHolderIsReal: who has a file open is found through the real kernel.
func TestHolderIsReal(t *testing.T) {
	l := linux{proc: "/proc"}
	node := filepath.Join(t.TempDir(), "node")
	write(t, node, "")
	f, err := os.Open(node)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sleep, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, &os.ProcAttr{Files: []*os.File{f}})
	if err != nil {
		t.Fatal(err)
	}
	defer sleep.Wait()
	defer sleep.Kill()
	for range 100 { // until it is the program it is to be
		name, pid := l.holder(&spot{node: node})
		if name == "sleep" && pid == sleep.Pid {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("not found")
}

func TestNoNode(t *testing.T) {
	l := kernel(t)
	if err := l.mayOpen(t.Context(), &spot{node: l.dev + "/001/017"}); !errors.Is(err, usbped.ErrNoUSB) || !strings.Contains(err.Error(), "001/017") {
		t.Error(err)
	}
}

// TestOrdinaryUser runs the tests as somebody who is not root.
func TestOrdinaryUser(t *testing.T) { admintest.AsOrdinaryUser(t, "TestOrdinaryUser") }

// TestMayOpen: as somebody who is not root. A file that has just come may still
// be opened to people by udev; an old one is as it is.
func TestMayOpen(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may open everything: TestOrdinaryUser shows it")
	}
	l := kernel(t, "dev/001/017: x", "dev/001/018: x", "dev/001/019: x")
	node := func(n string) *spot { return &spot{node: l.dev + "/001/" + n} }
	if err := l.mayOpen(t.Context(), node("017")); err != nil {
		t.Error(err)
	}
	for _, n := range []string{"018", "019"} {
		if err := os.Chmod(node(n).node, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(node("018").node, old, old); err != nil {
		t.Fatal(err)
	}
	var access *usbped.AccessError
	if err := l.mayOpen(t.Context(), node("018")); !errors.As(err, &access) || access.Path != node("018").node {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), settleLook)
	defer cancel()
	if err := l.mayOpen(ctx, node("019")); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	time.AfterFunc(2*settleLook, func() { _ = os.Chmod(node("019").node, 0o660) })
	if err := l.mayOpen(t.Context(), node("019")); err != nil {
		t.Error(err)
	}
}

// BenchmarkLook: what an idle look at a computer with a dozen devices costs.
func BenchmarkLook(b *testing.B) {
	dir := b.TempDir()
	for i := range 12 {
		for _, f := range []string{"bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"} {
			p := filepath.Join(dir, "1-"+strconv.Itoa(i)+":1.0", f)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(p, []byte("09\n"), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	l := linux{sys: dir}
	for b.Loop() {
		if _, _, err := l.look(wanted{}); err != nil {
			b.Fatal(err)
		}
	}
}
