package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	// What is started dies with the thread that started it.
	runtime.LockOSThread()
	if len(os.Args) == 3 {
		switch os.Args[1] {
		case keeperRole:
			end(keep(os.Args[2]))
		case stageRole:
			end(becomeSystemd(os.Args[2]))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx, orphaned := context.WithCancelCause(ctx)
	go func() {
		for parent := os.Getppid(); os.Getppid() == parent; time.Sleep(200 * time.Millisecond) {
		}
		orphaned(errors.New("whoever started this is gone"))
	}()
	err := run(ctx, os.Args[1:])
	stop()
	end(err)
}

func end(err error) {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case !errors.Is(err, errSaid):
		fmt.Fprintln(os.Stderr, "service:", err)
	}
	os.Exit(1)
}

// errSaid is a failure of which everything was said.
var errSaid = errors.New("failed")

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	only := flags.String("run", "", "only tests that this matches, as in go test")
	limit := flags.Duration("limit", 5*time.Minute, "how long all of it may take")
	packages := flags.String("packages", "", "a folder with packages to take, in place of building some")
	shell := flags.Bool("shell", false, "a shell in the machine in place of the tests, without a limit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if !*shell {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, *limit, fmt.Errorf("not within %v", *limit))
		defer cancel()
	}
	begun := time.Now()
	unified, err := tools()
	if err != nil {
		return err
	}
	sweep(unified)
	work, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	p := plan{Work: work, Run: *only, Shell: *shell}
	if err := pack(ctx, p.kit(), *packages); err != nil {
		return err
	}
	fmt.Printf("service: packages and tests ready after %.1f s\n", time.Since(begun).Seconds())
	if err := guard(ctx, unified, p); err != nil {
		return err
	}
	if !*shell {
		fmt.Printf("service: passed, %.1f s in all\n", time.Since(begun).Seconds())
	}
	return nil
}
