package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"openped/test/lab"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the built programs")
	interactive := flag.Bool("interactive", false, "hold the PED yourself")
	keep := flag.Bool("keep", false, "keep the temporary folder")
	pace := flag.Duration("pace", -1, "pause after each screen (default: 800ms on a terminal, none else)")
	flag.Parse()
	os.Exit(run(*bin, *interactive, *keep, *pace))
}

func run(bin string, interactive, keep bool, pace time.Duration) int {
	tty := term.IsTerminal(int(os.Stdout.Fd()))
	if pace < 0 {
		pace = 0
		if tty {
			pace = 800 * time.Millisecond
		}
	}
	if interactive && !(tty && term.IsTerminal(int(os.Stdin.Fd()))) {
		fmt.Fprintln(os.Stderr, "demo: the interactive demo needs a terminal; without one leave INTERACTIVE out")
		return 1
	}
	s, err := lab.NewStage(bin, "")
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 2
	}
	d := &demo{stage: s, view: &view{w: os.Stdout, colour: tty && os.Getenv("NO_COLOR") == "", pace: pace}, begun: time.Now(), shown: map[string]bool{}}

	// However it ends, nothing of it stays behind.
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, os.Interrupt, syscall.SIGTERM)
	done := make(chan int, 1)
	go func() {
		if interactive {
			done <- d.guided()
		} else {
			done <- d.play()
		}
	}()
	code := 2
	select {
	case code = <-done:
	case <-sigs:
		fmt.Fprintln(os.Stderr, "\ndemo: stopped")
	}
	d.restoreTerminal()
	if d.relay != nil {
		d.relay.Close()
	}
	if err := s.Close(keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		code = max(code, 2)
	}
	if keep {
		fmt.Println("kept:", s.Dir)
	}
	return code
}
