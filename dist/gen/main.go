// Command gen makes what packages need from what the programs know of themselves:
// default configuration, man pages, shell completions, licence notices, and the
// plans that nfpm follows. scripts/packages runs it:
//
//	gen config [-goos OS] [-sample PATH] PROG
//	                                        the default configuration file, or the
//	                                        first one, which names that
//	gen man -md2man PROG PAGE.md            docs/cli/PAGE.md as a page of the manual
//	gen completion bash|zsh|fish PROG       the shell's completion
//	gen notices [-goos OS] [-goarch ARCH] [-usb] PROG…
//	                                        the licences of all that is linked
//	gen stage -version V -arch ARCH -bin DIR -md2man PROG -out DIR
//	                                        everything, and a plan for each package
//
// and for scripts/packages-windows:
//
//	gen guid WORD…                          a GUID made from words
//	gen stamp FILE.msi                      gives it the time of everything
//
// SOURCE_DATE_EPOCH is the time of everything. What it makes for Windows (-goos
// windows) has that system's ends of lines.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: gen config|man|completion|notices|stage|guid|stamp …; the comment on top of dist/gen/main.go says more")

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	do, ok := map[string]func([]string) (string, error){
		"config": configCommand, "man": manCommand, "completion": completionCommand, "notices": noticesCommand, "stage": stageCommand,
		"guid": guidCommand, "stamp": stampCommand,
	}[args[0]]
	if !ok {
		return errUsage
	}
	text, err := do(args[1:])
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	_, err = os.Stdout.WriteString(text)
	return err
}
