package prefix

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Debian's Wine keeps its programs for 64 bits apart from those of the user.
var wineFolders = []string{"/usr/lib/wine", "/usr/lib64/wine", "/opt/wine-stable/bin", "/usr/bin"}

//go:embed shim/bcryptprimitives.c
var shim []byte

// program finds a program on PATH or where Wine keeps its own.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range wineFolders {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

// Missing names the packages that are not installed.
func Missing() (packages []string) {
	for _, n := range []struct{ program, from string }{
		{"wine64", "wine64"}, {"wineserver64", "wine64"}, {"x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64-posix"},
	} {
		if _, err := program(n.program); err != nil {
			packages = append(packages, n.from)
		}
	}
	return packages
}

// Prefix is a Windows of its own: a folder and the server of its processes.
type Prefix struct {
	Dir  string
	Wine string // the program that runs programs

	temp   string // in memory, or ""
	server string
}

// New makes one in a folder that is not there yet.
func New(ctx context.Context, dir string) (*Prefix, error) {
	wine, err := program("wine64")
	if err != nil {
		return nil, err
	}
	server, err := program("wineserver64")
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	p := &Prefix{Dir: dir, Wine: wine, server: server}
	// Without a server that stays, services are gone a moment after the last
	// program has ended. It goes into the background when it takes programs.
	if _, err := Output(ctx, p.Env(), server, "-p"); err != nil {
		return nil, err
	}
	// The first program makes the prefix. One that makes it as its own job would do
	// it a second time, and leave two service managers with a list each.
	if _, err := Output(ctx, p.Env(), wine, "winecfg", "-v", "win10"); err != nil {
		p.End()
		return nil, fmt.Errorf("a prefix could not be made: %w", err)
	}
	if err := errors.Join(p.addShim(ctx), p.quickTemp()); err != nil {
		p.End()
		return nil, err
	}
	return p, nil
}

// Env is the environment of what runs in the prefix. Nothing in it is to ask for
// a display, to download, or to make menus.
func (p *Prefix) Env() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "WINE") && name != "DISPLAY" && name != "WAYLAND_DISPLAY" && name != "OPENPED_RUNDIR" {
			env = append(env, v)
		}
	}
	return append(env, "WINEPREFIX="+p.Dir, "WINEARCH=win64", "WINEDEBUG=-all",
		"WINEDLLOVERRIDES=mscoree,mshtml=;winemenubuilder.exe=d")
}

func (p *Prefix) addShim(ctx context.Context) error {
	source := p.Dir + ".c"
	if err := os.WriteFile(source, shim, 0o600); err != nil {
		return err
	}
	_, err := Output(ctx, nil, "x86_64-w64-mingw32-gcc", "-shared", "-O2", "-s",
		"-o", filepath.Join(p.Dir, "drive_c/windows/system32/bcryptprimitives.dll"), source, "-ladvapi32")
	return err
}

// quickTemp moves the folder of temporary files into memory, where that can be
// had: the tests kill processes, not power, and each fsync costs milliseconds.
func (p *Prefix) quickTemp() error {
	dir, err := os.MkdirTemp("/dev/shm", "openped-windows-")
	if err != nil {
		return nil
	}
	p.temp = dir
	found, err := filepath.Glob(filepath.Join(p.Dir, "drive_c/users/*/Temp"))
	if err != nil || len(found) == 0 {
		return fmt.Errorf("the prefix has no folder for temporary files: %w", err)
	}
	for _, f := range found {
		if err := errors.Join(os.Remove(f), os.Symlink(dir, f)); err != nil {
			return err
		}
	}
	return nil
}

// End ends every process of the prefix, and of no other.
func (p *Prefix) End() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, _ = Output(ctx, p.Env(), p.server, "-k")
	_, _ = Output(ctx, p.Env(), p.server, "-w") // until it is gone
	if p.temp != "" {
		_ = os.RemoveAll(p.temp)
	}
	// Debian's has its sockets in a folder whose name it writes down, and leaves it.
	b, err := os.ReadFile(filepath.Join(p.Dir, "wineserver"))
	if name := strings.TrimSpace(string(b)); err == nil && strings.HasPrefix(name, "wine-") && filepath.Base(name) == name {
		_ = os.RemoveAll(filepath.Join("/tmp", name))
	}
}

// Output runs a program and returns what it printed; an error has it too.
func Output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	// A file, not a pipe: what stays in the background would keep a pipe open.
	f, err := os.CreateTemp("", "openped-windows-")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	err = cmd.Run()
	b, readErr := os.ReadFile(f.Name())
	if err != nil {
		return string(b), fmt.Errorf("%s: %w\n%s", strings.Join(append([]string{filepath.Base(name)}, args...), " "), err, bytes.TrimSpace(b))
	}
	return string(b), errors.Join(readErr)
}
