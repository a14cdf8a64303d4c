package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"openped/test/windows/prefix"
)

// guests runs the tests that start programs in the prefix, and others beside it.
func guests(ctx context.Context, p *prefix.Prefix, work, only string, update bool) error {
	programs, beside, packages := filepath.Join(work, "programs"), filepath.Join(work, "beside"), filepath.Join(work, "packages")
	for dir, env := range map[string][]string{programs: windows(), beside: append(os.Environ(), "CGO_ENABLED=0")} {
		if _, err := prefix.Output(ctx, env, goTool(), "build", "-trimpath", "-o", dir+"/", "openped/cmd/..."); err != nil {
			return err
		}
	}
	if _, err := prefix.Output(ctx, append(os.Environ(), "OUT="+packages), "scripts/packages-windows"); err != nil {
		return err
	}
	args := []string{"test", "-json", "-count=1", "-timeout=3m"}
	if only != "" {
		args = append(args, "-run="+only)
	}
	args = append(args, "openped/test/windows/guest")
	if update {
		args = append(args, "-args", "-update")
	}
	cmd := exec.CommandContext(ctx, goTool(), args...)
	cmd.Env = append(p.Env(), "OPENPED_WINE="+p.Wine, "OPENPED_WINE_PROGRAMS="+programs, "OPENPED_BIN="+beside, "OPENPED_WINE_PACKAGES="+packages)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r, err := read(out, true)
	_ = cmd.Wait() // the tests tell
	if err = errors.Join(err, ctx.Err()); err != nil {
		return fmt.Errorf("programs: %w", err)
	}
	return r.all()
}

// all wants every test to have passed.
func (r results) all() error {
	var bad []string
	passed := 0
	for t, how := range r.outcome {
		if how == "pass" {
			passed++
			continue
		}
		bad = append(bad, t.test+": "+how)
		fmt.Print(strings.Join(r.said[t.pkg+" "+t.test], ""))
	}
	for p, how := range r.pkgs {
		if how != "pass" && bad == nil {
			bad = append(bad, p+": "+how)
			fmt.Print(strings.Join(r.said[p+" "], ""))
		}
	}
	switch {
	case bad == nil && len(r.pkgs) == 0:
		return errors.New("programs: the tests did not come to an end")
	case bad != nil:
		return fmt.Errorf("programs: %s", strings.Join(bad, ", "))
	case passed == 0:
		return fmt.Errorf("no program was started")
	}
	fmt.Printf("windows: %d tests with programs passed\n", passed)
	return nil
}
