package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const testProgram = "tests"

// pack builds what the machine gets, into dir: packages and tests.
func pack(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return goTool(ctx, "test", "-c", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, testProgram), "openped/test/service/guest")
}

func goTool(ctx context.Context, args ...string) error {
	tool := "go"
	if g := os.Getenv("GO"); g != "" {
		tool = g
	}
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, out)
	}
	return nil
}
