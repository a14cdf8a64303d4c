//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"openped/test/lab"
)

// person sits at the terminal of the interactive demo and does what it says.
type person struct {
	t   *testing.T
	tty *os.File

	mu  sync.Mutex
	out bytes.Buffer
}

// unasked are the parts of a picture that change while the question stays: the
// seconds left, and the echo of what is being typed.
var unasked = regexp.MustCompile(`SOFTWARE PED *[0-9]*|\*+_?|>[0-9]*_?|insert which key\?.*`)

// page is the last whole picture on the terminal, without colours.
func (p *person) page() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	pictures := strings.Split(p.out.String(), "\x1b[H")
	for i := len(pictures) - 1; i > 0; i-- {
		if strings.Contains(pictures[i], "\x1b[J") {
			return regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]`).ReplaceAllString(pictures[i], "")
		}
	}
	return ""
}

func (p *person) types(keys string) {
	if _, err := p.tty.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// TestGuided plays all scenes of the interactive demo by its own advice.
func TestGuided(t *testing.T) {
	if testing.Short() {
		t.Skip("starts all programs")
	}
	bin := t.TempDir()
	for _, c := range []string{"cmd/pedserver", "cmd/pedclient", "cmd/softped", "cmd/hsmcm", "test/demo"} {
		if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(bin, filepath.Base(c)), "../../"+c).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", c, err, out)
		}
	}
	cmd := exec.Command(filepath.Join(bin, "demo"), "-bin", bin, "-interactive")
	cmd.Env = append(os.Environ(), "TERM=xterm")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 110})
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, tty: tty}
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			p.mu.Lock()
			p.out.Write(buf[:n])
			p.mu.Unlock()
			if err != nil {
				done <- cmd.Wait()
				return
			}
		}
	}()
	defer tty.Close()

	password := regexp.MustCompile(`following password: ([0-9]{8})`)
	var verdicts []string
	last, since, acted, ended := "", time.Now(), "", false
	deadline := time.Now().Add(2 * time.Minute)
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("exit: %v\n%s", err, p.page())
			}
			if len(verdicts) != 6 {
				t.Errorf("%d scenes ended: %q", len(verdicts), verdicts)
			}
			for _, v := range verdicts {
				if !strings.Contains(v, lab.NoError) {
					t.Errorf("scene ended with %s", v)
				}
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Signal(os.Interrupt)
			t.Fatalf("stuck at\n%s", p.page())
		}
		page := p.page()
		question := unasked.ReplaceAllString(page, "")
		if question != last {
			last, since = question, time.Now()
		}
		// A person answers a question once, and when it stands still. The end of
		// a scene stays the same question whatever the display shows meanwhile.
		const end = "The command has ended: "
		if question == acted || time.Since(since) < 120*time.Millisecond || ended && strings.Contains(page, end) {
			continue
		}
		acted, ended = question, strings.Contains(page, end)
		pick := func(name string) {
			i := regexp.MustCompile(`(\d)  ` + name).FindStringSubmatch(page)
			if i == nil {
				t.Fatalf("%s is not offered:\n%s", name, page)
			}
			p.types(i[1] + "\r")
		}
		has := func(s string) bool { return strings.Contains(page, s) }
		switch {
		case ended:
			v := page[strings.Index(page, end):]
			verdicts = append(verdicts, v[:strings.Index(v, "\r\n")])
			p.types("\r")
		case has("insert which key?"):
			switch {
			case has("COMPUTE SESSION KEY."), has("SETTING RPV"):
				pick("orange1")
			case has("SETTING DOMAIN"):
				pick("red1")
			case has("write: 01 of 03"), has("Keys read: 01 of 02"):
				pick("blue2")
			case has("write: 02 of 03"):
				pick("blue3")
			default:
				pick("blue1")
			}
		case has("press i and choose"):
			p.types("i")
		case has("Type the 8 digits"):
			m := password.FindAllStringSubmatch(page, -1)
			p.types(m[len(m)-1][1] + "\r")
		case has("Choose a PIN"), has("The same PIN again"), has("Type the PIN of this key"):
			p.types("1234\r")
		case has("How many keys will be needed"):
			p.types(map[bool]string{true: "2\r", false: "1\r"}[has("SO PIN")])
		case has("How many keys to make"):
			p.types(map[bool]string{true: "3\r", false: "1\r"}[has("SO PIN")])
		case has("Press n:"):
			p.types("n")
		case has("Press y"), has("press y"):
			p.types("y")
		}
	}
}
