package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"openped/test/windows/prefix"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // who does not listen any more is no reason to leave a Windows behind
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
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
	part := flags.String("part", "", "units or programs; without it both")
	update := flags.Bool("update", false, "write the golden files of the packages anew")
	limit := flags.Duration("limit", 10*time.Minute, "how long everything may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *part != "" && *part != "units" && *part != "programs" {
		return fmt.Errorf("there is no part %q", *part)
	}
	if missing := prefix.Missing(); missing != nil {
		return fmt.Errorf("programs are missing: run  apt-get install %s  as root", strings.Join(missing, " "))
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	begun := time.Now()
	work, err := os.MkdirTemp("", "openped-windows-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	p, err := prefix.New(ctx, filepath.Join(work, "prefix"))
	if err != nil {
		return err
	}
	defer p.End()
	fmt.Printf("windows: prefix ready after %.0f s\n", time.Since(begun).Seconds())
	if *part != "programs" {
		err = units(ctx, p, work, *only, flags.Args())
		printLimits()
	}
	if *part != "units" && flags.NArg() == 0 {
		err = errors.Join(err, guests(ctx, p, work, *only, *update))
	}
	fmt.Printf("windows: %.0f s in all\n", time.Since(begun).Seconds())
	return err
}
