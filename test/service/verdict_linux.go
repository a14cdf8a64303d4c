package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// tally is what became of the tests, by the lines that they print.
type tally struct {
	passed          int
	failed, skipped []string
}

// readTally prints what the tests print and counts, until they end; the error is
// how they did.
func readTally(r io.Reader) (tally, error) {
	var t tally
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			fmt.Println(line)
			t.count(line)
		}
		if err == io.EOF {
			return t, nil
		} else if err != nil {
			return t, err
		}
	}
}

func (t *tally) count(line string) {
	word, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
	name, _, _ := strings.Cut(rest, " ")
	switch {
	case !ok:
	case word == "--- PASS" && strings.Contains(name, "/"): // a day without stories is no test
		t.passed++
	case word == "--- FAIL":
		t.failed = append(t.failed, name)
	case word == "--- SKIP":
		t.skipped = append(t.skipped, name)
	}
}

func (t *tally) add(o tally) {
	t.passed += o.passed
	t.failed = append(t.failed, o.failed...)
	t.skipped = append(t.skipped, o.skipped...)
}

// judge turns how the tests ended into a verdict.
func (t tally) judge(ended error) error {
	switch {
	case t.failed != nil:
		return fmt.Errorf("failed: %s", strings.Join(t.failed, " "))
	case ended != nil:
		return fmt.Errorf("no verdict: the tests ended with: %w", ended)
	case t.skipped != nil:
		return fmt.Errorf("skipped, which nothing may be: %s", strings.Join(t.skipped, " "))
	}
	return nil
}

// tail is the end of a file, at most n lines.
func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
