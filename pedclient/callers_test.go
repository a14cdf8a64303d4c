package pedclient

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/localsock"
	"openped/protocol/hsmapi"
)

func peerOf(uid int) localsock.Peer {
	return localsock.Peer{User: strconv.Itoa(uid), Owner: uid == 0 || uid == os.Geteuid()}
}

// No member of the group takes all places, and all members leave some to root
// and the user of the process.
func TestPlaces(t *testing.T) {
	p := newPlaces()
	var last *place
	take := func(uid int) (n int) {
		for {
			c, err := p.take(peerOf(uid), nil)
			if err != nil {
				return n
			}
			c.ask()
			last = c
			n++
		}
	}
	base := os.Geteuid() + 1000
	for i := range (maxCallers - keptCallers) / maxPerUser {
		if n := take(base + i); n != maxPerUser {
			t.Errorf("a member got %d places", n)
		}
	}
	if n := take(base + 500); n != (maxCallers-keptCallers)%maxPerUser {
		t.Errorf("the last member got %d places", n)
	}
	members := last
	if n := take(0); n != keptCallers {
		t.Errorf("root got %d places", n)
	}
	members.leave()
	members.leave()
	if n := take(base + 501); n != 0 {
		t.Errorf("a kept place went to a member")
	}
	if n := take(os.Geteuid()); n != 1 {
		t.Errorf("this user got %d places", n)
	}
}

// TestSilentCallersGiveWay: whoever connects and asks for nothing loses the
// place to who does, but members never take one from root.
func TestSilentCallersGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces()
		var closed atomic.Int32
		take := func(uid int) (*place, error) {
			near, far := net.Pipe()
			go func() {
				_, _ = io.Copy(io.Discard, far)
				closed.Add(1)
			}()
			c, err := p.take(peerOf(uid), near)
			if err != nil {
				near.Close()
			}
			return c, err
		}
		var first []*place
		for range maxCallers {
			c, err := take(0)
			if err != nil {
				t.Fatal(err)
			}
			first = append(first, c)
		}
		if _, err := take(0); err == nil {
			t.Error("a caller who has just come had to give way")
		}
		time.Sleep(patience)
		first[0].ask()
		if _, err := take(os.Geteuid() + 1000); err == nil {
			t.Error("a member has taken root's place")
		}
		synctest.Wait()
		before := closed.Load()
		for range maxCallers - 1 {
			if _, err := take(0); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if closed.Load()-before != maxCallers-1 || p.taken() != maxCallers || !p.all[first[0]] {
			t.Errorf("%d gave way, %d are there", closed.Load()-before, p.taken())
		}
		for c := range p.all {
			c.conn.Close()
		}
		// One user's own silence gives way to himself.
		p = newPlaces()
		uid := os.Geteuid() + 1000
		for range maxPerUser {
			if _, err := take(uid); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(patience)
		if c, err := take(uid); err != nil || p.taken() != maxPerUser {
			t.Errorf("%v, %d", err, p.taken())
		} else {
			c.ask()
		}
		for c := range p.all {
			c.conn.Close()
		}
	})
}

// One HSM has one slot, under whatever names it is given, and one log.
func TestOneFileOneHSM(t *testing.T) {
	b := newBench(t)
	b.c.Close()
	link, hard := filepath.Join(b.dir, "link"), filepath.Join(b.dir, "hard")
	if err := os.Symlink(b.file(), link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	for _, files := range [][]string{{link, b.file()}, {b.file(), link}, {b.file(), b.file()}} {
		_, err := New(Config{HSMFiles: files})
		if err == nil || !strings.Contains(err.Error(), "slot 2: ") || !strings.Contains(err.Error(), "slot 1 already") {
			t.Errorf("%q: %v", files, err)
		}
	}
	// By a link alone it is the same HSM, with the same files.
	c, err := New(Config{HSMFiles: []string{link}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{HSMFiles: []string{b.file()}}); err == nil {
		t.Error("open twice")
	}
	c.Close()
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced by a file")
	}
	if found, _ := filepath.Glob(link + ".*"); len(found) > 0 {
		t.Errorf("files beside the link: %q", found)
	}
	// Two names of the file itself are refused, by either.
	if err := os.Link(b.file(), hard); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{hard, b.file(), link} {
		if _, err := New(Config{HSMFiles: []string{f}}); err == nil || !strings.Contains(err.Error(), "leave it one name") {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// What is said of a failed try to connect is about that try, and not about the
// end of the connection before.
func TestReconnectErrors(t *testing.T) {
	b := newBench(t)
	u := b.bootstrap()
	b.srv.cut()
	until(t, "the loss is known", func() bool { return !b.c.Status().Slots[0].Connected })
	u.fails(hsmapi.Login, so(), hsmapi.CKR_PED_UNPLUGGED, "broke")
	u.fails(hsmapi.PedConnect, slot1().AddText(hsmapi.TagHost, "127.0.0.1").AddU32(hsmapi.TagPort, 1), hsmapi.CKR_PED_UNPLUGGED, "nobody listens at 127.0.0.1 port 1")
	u.fails(hsmapi.Login, so(), hsmapi.CKR_PED_UNPLUGGED, "no PED is connected")
	if r := b.c.Status().Slots[0].Reason; r != "" {
		t.Errorf("status still says %q", r)
	}
}

// While a slot is being connected others are told by whom.
func TestBusyConnecting(t *testing.T) {
	b := newBench(t)
	u := b.user()
	typed := make(chan bool)
	u.onPass = func(string) { close(typed) } // and nobody types it
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := b.c.slots[0]
	go func() {
		pw := hsm.NewPassword()
		defer pw.Destroy()
		done <- s.connect(hsm.WithCaller(ctx, "uid 1001 pid 7"), way{Target: Target{Host: "127.0.0.1", Port: int(b.port)}}, pw, func() { close(typed) })
	}()
	<-typed
	u.fails(hsmapi.PedConnect, b.address().AddBool(hsmapi.TagWantPassword, true), hsmapi.CKR_OPERATION_ACTIVE, "by uid 1001 pid 7, since ")
	until(t, "it runs", func() bool { return b.c.Status().Slots[0].Ceremony != "" })
	text := strings.Join(u.must(hsmapi.SlotInfo, slot1()).Texts(hsmapi.TagText), "\n")
	if !strings.Contains(text, "ped connect by uid 1001 pid 7 has been running for ") {
		t.Errorf("%q", text)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("connected")
	}
	// It is over for others too.
	u.onPass = func(pw string) { b.ped.Type(pw) }
	u.must(hsmapi.PedConnect, b.address().AddBool(hsmapi.TagWantPassword, true))
	b.ped.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
}
