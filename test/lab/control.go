package lab

import (
	"bufio"
	"fmt"
	"net"
	"strings"
)

// asking are the screens at which a PED waits for people who answer in a usual
// day; their names fit in one line of a script.
var asking = strings.Join([]string{
	"otp.password", "key.insert", "key.pin", "login.insert", "login.insert-another", "login.pin", "confirm.erase",
	"create.reuse", "create.m", "create.n", "create.insert", "create.insert-another", "create.pin", "create.pin-again",
	"create.blank", "create.duplicate",
}, "|")

// ControlPED is the PED of a softped that runs already, through its control socket:
// one connection that presses keys and one that looks. It sees the screens that ask
// and no others. It ends with softped.
func ControlPED(path string) (*PED, error) {
	keys, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	eyes, err := net.Dial("unix", path)
	if err != nil {
		keys.Close()
		return nil, err
	}
	p := newPED()
	p.Process = &Process{Name: "softped", stdin: keys, done: make(chan struct{})}
	go func() {
		readLines(keys, p.line)
		eyes.Close()
	}()
	go func() {
		defer close(p.done)
		p.watch(eyes)
		keys.Close()
	}()
	return p, nil
}

// Leave ends the connections of a ControlPED.
func (p *PED) Leave() { _ = p.stdin.Close() }

// watch tells of every screen that asks.
func (p *PED) watch(c net.Conn) {
	in := bufio.NewScanner(c)
	for {
		if _, err := fmt.Fprintf(c, "wait %s 3600\n", asking); err != nil || !in.Scan() {
			return
		}
		id, ok := strings.CutPrefix(in.Text(), "ok ")
		if !ok {
			continue
		}
		if _, err := fmt.Fprintln(c, "screen"); err != nil {
			return
		}
		p.line("screen " + id)
		for in.Scan() && strings.HasPrefix(in.Text(), "|") {
			p.line(in.Text())
		}
	}
}
