package cli

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"softped": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"waitfor": waitFor, "devlist": devlist, "control": control},
		Setup: func(e *testscript.Env) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			_, port, _ := net.SplitHostPort(l.Addr().String())
			e.Setenv("PORT", port)
			e.Setenv("PED", "unix:ped")
			if runtime.GOOS == "windows" {
				e.Setenv("PED", "pipe:openped-test-"+port)
			}
			return l.Close()
		},
	})
}

// waitFor waits until a file is there.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%s did not come", path)
		}
	}
}

// devlist asks for the list as usbip does; it must have the device of these ids,
// or none.
func devlist(ts *testscript.TestScript, _ bool, args []string) {
	c, err := net.Dial("tcp", "127.0.0.1:"+ts.Getenv("PORT"))
	ts.Check(err)
	defer c.Close()
	ts.Check(c.SetDeadline(time.Now().Add(20 * time.Second)))
	_, err = c.Write([]byte{0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0})
	ts.Check(err)
	b, err := io.ReadAll(c)
	ts.Check(err)
	got := "none"
	if len(b) == 12+312+4 {
		got = fmt.Sprintf("%x:%x", b[12+300:12+302], b[12+302:12+304])
	}
	if got != args[0] {
		ts.Fatalf("the list has %s", got)
	}
}

// control says a line to the control socket, and wants that answer.
func control(ts *testscript.TestScript, _ bool, args []string) {
	c, err := net.Dial("unix", ts.MkAbs("ctl"))
	ts.Check(err)
	defer c.Close()
	ts.Check(c.SetDeadline(time.Now().Add(20 * time.Second)))
	_, err = c.Write([]byte(args[0] + "\n"))
	ts.Check(err)
	answer, err := bufio.NewReader(c).ReadString('\n')
	ts.Check(err)
	if strings.TrimSpace(answer) != args[1] {
		ts.Fatalf("the answer is %s", answer)
	}
}
