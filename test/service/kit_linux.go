package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const testProgram = "tests"

// pack builds what the machine gets, into dir: the packages, the same as of an older
// version, and the tests. With from, a folder with packages, it takes those.
func pack(ctx context.Context, dir, from string) error {
	made := filepath.Join(dir, "packages", "new")
	for _, d := range []string{made, filepath.Join(dir, filepath.Base(aboveInside)), filepath.Join(dir, filepath.Base(belowInside))} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	err := tool(ctx, []string{"CGO_ENABLED=0"}, goTool(), "test", "-c", "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
		"-o", filepath.Join(dir, testProgram), "openped/test/service/guest")
	if err != nil {
		return err
	}
	if err := hanging(ctx, dir); err != nil {
		return err
	}
	if from != "" {
		err = os.CopyFS(made, os.DirFS(from))
	} else {
		err = tool(ctx, []string{"ARCHS=" + runtime.GOARCH, "FORMATS=deb", "OUT=" + made}, "scripts/packages")
	}
	if err != nil {
		return err
	}
	return age(ctx, made, filepath.Join(dir, "packages", "old"))
}

// A pedserver whose inside can be made to hang while the process lives: it answers
// nothing while there is a certain file.
const (
	hangingProgram = "hanging"
	statusSource   = "pedserver/status.go"
	statusPlace    = "func (s *Server) Status() Status {\n"
	statusHang     = "\tfor hangs() {\n\t\ttime.Sleep(10 * time.Millisecond)\n\t}\n"
	hangSource     = `package pedserver

import "os"

func hangs() bool {
	_, err := os.Stat("/run/openped/pedserver/hang")
	return err == nil
}
`
)

// hanging builds it. It is nothing that could be shipped.
func hanging(ctx context.Context, dir string) error {
	b, err := os.ReadFile(statusSource)
	if err != nil {
		return err
	}
	if strings.Count(string(b), statusPlace) != 1 {
		return fmt.Errorf("%s is not as expected: adapt test/service/kit_linux.go", statusSource)
	}
	src, err := os.MkdirTemp("", "openped-hanging-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(src)
	replace := map[string]string{}
	for path, text := range map[string]string{
		statusSource:        strings.Replace(string(b), statusPlace, statusPlace+statusHang, 1),
		"pedserver/hang.go": hangSource,
	} {
		to := filepath.Join(src, filepath.Base(path))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return err
		}
		if path, err = filepath.Abs(path); err != nil {
			return err
		}
		replace[path] = to
	}
	if b, err = json.Marshal(map[string]any{"Replace": replace}); err != nil {
		return err
	}
	overlay := filepath.Join(src, "overlay.json")
	if err := os.WriteFile(overlay, b, 0o600); err != nil {
		return err
	}
	return tool(ctx, []string{"CGO_ENABLED=0"}, goTool(), "build", "-buildvcs=false", "-ldflags=-s -w", "-overlay", overlay,
		"-o", filepath.Join(dir, hangingProgram), "openped/cmd/pedserver")
}

var version = regexp.MustCompile(`(?m)^Version: .*$`)

// age makes packages of an older version from others: what an upgrade sees is
// another number and another unit.
func age(ctx context.Context, from, to string) error {
	made, err := filepath.Glob(filepath.Join(from, "*.deb"))
	if err != nil || len(made) == 0 {
		return errors.New("there are no packages in " + from)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for _, deb := range made {
		dir := filepath.Join(to, "opened")
		if err := tool(ctx, nil, "dpkg-deb", "-R", deb, dir); err != nil {
			return err
		}
		control := filepath.Join(dir, "DEBIAN", "control")
		b, err := os.ReadFile(control)
		if err != nil {
			return err
		}
		if err := os.WriteFile(control, version.ReplaceAll(b, []byte("Version: 0.0.1")), 0o644); err != nil {
			return err
		}
		units, _ := filepath.Glob(filepath.Join(dir, "usr/lib/systemd/system/*.service"))
		for _, u := range units {
			f, err := os.OpenFile(u, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("\n[Service]\nEnvironment=OPENPED_OLD=1\n")
			if e := f.Close(); err == nil {
				err = e
			}
			if err != nil {
				return err
			}
		}
		if err := os.Remove(filepath.Join(dir, "DEBIAN", "md5sums")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := tool(ctx, nil, "dpkg-deb", "-Znone", "--root-owner-group", "-b", dir, filepath.Join(to, filepath.Base(deb))); err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func goTool() string {
	if g := os.Getenv("GO"); g != "" {
		return g
	}
	return "go"
}

// tool runs a program, and ends all that it has started; what it said is in the
// error.
func tool(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), args, err, out)
	}
	return nil
}
