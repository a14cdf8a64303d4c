package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "usb:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("usb", flag.ContinueOnError)
	full := flags.Bool("full", false, "the long tests too")
	only := flags.String("run", "", "only tests that this matches, as in go test")
	limit := flags.Duration("limit", 0, "how long the machine may run (default 5m, with -full 60m)")
	keep := flags.String("keep", "", "a folder to keep the machine's files in")
	memory := flags.Int("memory", 1024, "the machine's memory in MB")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if *limit == 0 {
		if *limit = 5 * time.Minute; *full {
			*limit = time.Hour
		}
	}
	if err := tools(); err != nil {
		return err
	}
	begun := time.Now()
	work := *keep
	if work == "" {
		dir, err := os.MkdirTemp("", "openped-usb-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		work = dir
	} else if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	kit, err := fetch(ctx)
	if err != nil {
		return err
	}
	image, err := pack(ctx, kit, work, tests{full: *full, only: *only, limit: *limit})
	if err != nil {
		return err
	}
	fmt.Printf("usb: machine ready after %.0f s\n", time.Since(begun).Seconds())
	m := machine{kernel: kit.kernel(), image: image, console: work + "/console", memory: *memory, limit: *limit}
	count, err := m.boot(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("usb: %d tests passed, %.0f s in all\n", count, time.Since(begun).Seconds())
	return nil
}
