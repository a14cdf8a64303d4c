package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"openped/test/windows/prefix"
)

const module = "openped/"

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// results are what became of the tests of all packages.
type results struct {
	outcome map[limit]string    // pass, fail or skip, by package and test
	pkgs    map[string]string   // pass, fail or skip
	said    map[string][]string // by package and test
}

// tested are the packages that have tests and belong to the programs.
func tested(ctx context.Context) ([]string, error) {
	out, err := prefix.Output(ctx, windows(), goTool(), "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}", "./...")
	if err != nil {
		return nil, err
	}
	var pkgs []string
	for _, p := range strings.Fields(out) {
		if !strings.HasPrefix(p, module+"test/") && !strings.HasPrefix(p, module+"dist/") {
			pkgs = append(pkgs, p)
		}
	}
	return pkgs, nil
}

// windows is the environment in which go builds for Windows.
func windows() []string {
	return append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
}

// units runs the unit tests in the prefix and judges them by the table of limits.
func units(ctx context.Context, p *prefix.Prefix, work, only string, pkgs []string) error {
	patch, err := overlay(ctx, work)
	if err != nil {
		return err
	}
	all := len(pkgs) == 0 && only == ""
	if len(pkgs) == 0 {
		if pkgs, err = tested(ctx); err != nil {
			return err
		}
	}
	args := []string{"test", "-json", "-count=1", "-short", "-vet=off", "-timeout=3m", "-overlay=" + patch, "-exec=" + p.Wine}
	if only != "" {
		args = append(args, "-run="+only)
	}
	begun := time.Now()
	cmd := exec.CommandContext(ctx, goTool(), append(args, pkgs...)...)
	cmd.Env = append(p.Env(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r, err := read(out, false)
	_ = cmd.Wait() // the tests tell
	if err = errors.Join(err, ctx.Err()); err != nil {
		return fmt.Errorf("unit tests: %w", err)
	}
	for _, p := range pkgs {
		if p = strings.TrimPrefix(p, module); r.pkgs[p] == "" {
			return fmt.Errorf("unit tests: %s did not come to an end", p)
		}
	}
	fmt.Printf("windows: unit tests of %d packages in %.0f s\n", len(r.pkgs), time.Since(begun).Seconds())
	return r.judge(all)
}

// read takes go test's report in, and prints a line for each package, or each test.
func read(in io.Reader, each bool) (results, error) {
	r := results{outcome: map[limit]string{}, pkgs: map[string]string{}, said: map[string][]string{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	passed, unknown := map[string]int{}, map[string]int{}
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text())
			continue
		}
		e.Package = strings.TrimPrefix(e.Package, module)
		switch e.Action {
		case "output":
			key := e.Package + " " + e.Test
			r.said[key] = append(r.said[key], e.Output)
		case "pass", "fail", "skip":
			if e.Test != "" {
				r.outcome[limit{pkg: e.Package, test: e.Test}] = e.Action
				if e.Action == "pass" {
					passed[e.Package]++
				} else if known(e.Package, e.Test) < 0 {
					unknown[e.Package]++
				}
				if each {
					fmt.Printf("%-5s %-28s %5.1f s\n", e.Action, e.Test, e.Elapsed)
				}
				continue
			}
			r.pkgs[e.Package] = e.Action
			verdict := e.Action
			if verdict == "fail" && passed[e.Package] > 0 && unknown[e.Package] == 0 {
				verdict = "known"
			}
			fmt.Printf("%-5s %-28s %5.1f s, %d passed\n", verdict, e.Package, e.Elapsed, passed[e.Package])
		}
	}
	return r, lines.Err()
}

// known returns the place of a test, or of the one that it is a part of, in the
// table of limits; -1 if it has none.
func known(pkg, test string) int {
	top, _, _ := strings.Cut(test, "/")
	return slices.IndexFunc(limits, func(l limit) bool { return l.pkg == pkg && (l.test == test || l.test == top) })
}

// judge compares with the table. That a package failed is no news if each test of
// it that did is listed.
func (r results) judge(all bool) error {
	var bad []string
	complain := func(key, format string, args ...any) {
		bad = append(bad, fmt.Sprintf(format, args...))
		for _, line := range r.said[key] {
			fmt.Print(line)
		}
	}
	count, explained := 0, map[string]bool{}
	for t, how := range r.outcome {
		i := known(t.pkg, t.test)
		switch {
		case how == "pass" && i >= 0 && limits[i].test == t.test:
			complain("", "%s %s passes: take it off the list", t.pkg, t.test)
		case how == "pass":
			count++
		case i >= 0:
			explained[t.pkg] = true
		default:
			explained[t.pkg] = true // told here
			complain(t.pkg+" "+t.test, "%s %s: %s", t.pkg, t.test, how)
		}
	}
	for p, how := range r.pkgs {
		if how == "fail" && !explained[p] {
			complain(p+" ", "%s did not end as it should", p)
		}
	}
	if all {
		for _, l := range limits {
			if _, ran := r.outcome[limit{pkg: l.pkg, test: l.test}]; !ran {
				complain("", "%s %s is listed and was not run", l.pkg, l.test)
			}
		}
	}
	fmt.Printf("windows: %d unit tests passed, %d known not to\n", count, len(limits))
	slices.Sort(bad)
	if bad != nil {
		return fmt.Errorf("unit tests:\n  %s", strings.Join(bad, "\n  "))
	}
	if count == 0 {
		return fmt.Errorf("no unit test ran")
	}
	return nil
}

// printLimits names what was not shown.
func printLimits() {
	fmt.Println("windows: what Wine, or Windows, has not got:")
	for _, l := range limits {
		fmt.Printf("  %-22s %-34s %s\n", l.pkg, l.test, l.why)
	}
}
