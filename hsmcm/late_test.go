//go:build linux

package hsmcm

import (
	"bytes"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestLateInterrupt: a Ctrl-C that comes as a command ends does not leave the
// console at the next prompt.
func TestLateInterrupt(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	seen := make(chan os.Signal, 1)
	signal.Notify(seen, os.Interrupt)
	defer signal.Stop(seen)
	dials := make(chan struct{}, 10)
	code := make(chan int, 1)
	go func() {
		code <- Run(nil, Streams{In: slave, Out: slave, Err: slave}, func(_, _ string) (Conn, error) {
			if len(dials) == 0 { // the first command: it ends at once, and is interrupted
				_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
				<-seen
				signal.Notify(seen, os.Interrupt) // waits until all have been told
			}
			dials <- struct{}{}
			return nil, ErrNotRunning
		})
	}()
	prompts := make(chan struct{}, 10)
	go func() {
		var out []byte
		b := make([]byte, 1024)
		for {
			n, err := master.Read(b)
			if err != nil {
				return
			}
			for out = append(out, b[:n]...); bytes.Contains(out, []byte(promptText)); {
				_, out, _ = bytes.Cut(out, []byte(promptText))
				prompts <- struct{}{}
			}
		}
	}()
	for _, line := range []string{"slot list\r", "slot list\r", "exit\r"} {
		select {
		case <-prompts:
		case <-code:
			t.Fatal("the console was left")
		case <-time.After(20 * time.Second):
			t.Fatal("no prompt")
		}
		if _, err := master.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-code:
	case <-time.After(20 * time.Second):
		t.Fatal("still there")
	}
	if len(dials) != 2 {
		t.Errorf("%d of 2 commands were carried out", len(dials))
	}
}
