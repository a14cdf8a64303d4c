// Command acvp answers NIST ACVP vector sets with the primitives of
// protocol/kas.
//
//	acvp [-check] DIR
//
// It reads DIR/prompt.json and prints a response of the shape of ACVP's
// expectedResults.json. With -check it compares its response with
// DIR/expectedResults.json instead and prints the counts.
//
// Exit status: 0 done, 1 usage, 2 an answer is wrong or a group could not be
// answered.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"openped/test/acvp/vectorset"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("acvp", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprintln(stderr, "usage: acvp [-check] DIR") }
	check := flags.Bool("check", false, "compare with DIR/expectedResults.json and count")
	if flags.Parse(args) != nil {
		return 1
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return 1
	}
	if err := answer(flags.Arg(0), *check, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "acvp:", err)
		return 2
	}
	return 0
}

func answer(dir string, check bool, stdout, stderr io.Writer) error {
	prompt, err := os.ReadFile(filepath.Join(dir, "prompt.json"))
	if err != nil {
		return err
	}
	expected, err := os.ReadFile(filepath.Join(dir, "expectedResults.json"))
	if err != nil && (check || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	set, err := vectorset.Answer(prompt, expected)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if check {
		result, err := set.Check(expected)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		fmt.Fprintln(stdout, result)
		for _, f := range result.Failures {
			fmt.Fprintln(stderr, f)
		}
		return result.Err()
	}
	for _, s := range set.Skipped {
		fmt.Fprintf(stderr, "group %d: %d tests skipped: %s\n", s.Group, s.Tests, s.Reason)
	}
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	return out.Encode(set.Response)
}
