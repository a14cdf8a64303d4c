package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
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
		fmt.Fprintln(os.Stderr, "windows:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("windows", flag.ContinueOnError)
	only := flags.String("run", "", "only tests that this matches, as in go test")
	limit := flags.Duration("limit", 10*time.Minute, "how long everything may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := tools(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	begun := time.Now()
	work, err := os.MkdirTemp("", "openped-windows-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	p, err := newPrefix(ctx, filepath.Join(work, "prefix"))
	if err != nil {
		return err
	}
	defer p.end()
	fmt.Printf("windows: prefix ready after %.0f s\n", time.Since(begun).Seconds())
	err = units(ctx, p, work, *only, flags.Args())
	printLimits()
	fmt.Printf("windows: %.0f s in all\n", time.Since(begun).Seconds())
	return err
}
