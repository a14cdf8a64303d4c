package main

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

// needed are programs and the packages they come with.
var needed = []struct{ program, from string }{
	{"wine64", "wine64"},
	{"wineserver64", "wine64"},
	{"x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64-posix"},
	{"wixl", "wixl"},
	{"msiinfo", "msitools"},
}

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

// tools checks that everything is there and names all that is not.
func tools() error {
	var missing []string
	for _, n := range needed {
		if _, err := program(n.program); err != nil {
			missing = append(missing, n.from)
		}
	}
	if missing != nil {
		return fmt.Errorf("programs are missing: run  apt-get install %s  as root", strings.Join(missing, " "))
	}
	return nil
}

// prefix is a Windows of its own: a folder and the server of its processes.
type prefix struct {
	dir    string
	wine   string
	temp   string // in memory, or ""
	server *exec.Cmd
}

// newPrefix makes one in a folder that is not there yet.
func newPrefix(ctx context.Context, dir string) (*prefix, error) {
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
	p := &prefix{dir: dir, wine: wine}
	// Without a server that stays, services are gone a moment after the last
	// program has ended. It is a child, so that its end can be waited for.
	p.server = exec.Command(server, "-f", "-p")
	p.server.Env = p.env()
	if err := p.server.Start(); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"wineboot", "-i"}, {"winecfg", "-v", "win10"}} {
		if _, err := output(ctx, p.env(), wine, args...); err != nil {
			p.end()
			return nil, fmt.Errorf("a prefix could not be made: %w", err)
		}
	}
	if err := errors.Join(p.addShim(ctx), p.quickTemp()); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// env is the environment of what runs in the prefix. Nothing in it is to ask for
// a display, to download, or to make menus.
func (p *prefix) env() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "WINE") && name != "DISPLAY" && name != "WAYLAND_DISPLAY" && name != "OPENPED_RUNDIR" {
			env = append(env, v)
		}
	}
	return append(env, "WINEPREFIX="+p.dir, "WINEARCH=win64", "WINEDEBUG=-all",
		"WINEDLLOVERRIDES=mscoree,mshtml=;winemenubuilder.exe=d")
}

func (p *prefix) addShim(ctx context.Context) error {
	source := p.dir + ".c"
	if err := os.WriteFile(source, shim, 0o600); err != nil {
		return err
	}
	_, err := output(ctx, nil, "x86_64-w64-mingw32-gcc", "-shared", "-O2", "-s",
		"-o", filepath.Join(p.dir, "drive_c/windows/system32/bcryptprimitives.dll"), source, "-ladvapi32")
	return err
}

// quickTemp moves the folder of temporary files into memory, where that can be
// had: the tests kill processes, not power, and each fsync costs milliseconds.
func (p *prefix) quickTemp() error {
	dir, err := os.MkdirTemp("/dev/shm", "openped-windows-")
	if err != nil {
		return nil
	}
	p.temp = dir
	found, err := filepath.Glob(filepath.Join(p.dir, "drive_c/users/*/Temp"))
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

// end ends every process of the prefix, and of no other.
func (p *prefix) end() {
	if p == nil || p.server.Process == nil {
		return
	}
	kill := exec.Command(p.server.Path, "-k")
	kill.Env = p.env()
	_ = kill.Run()
	ended := make(chan struct{})
	go func() { _ = p.server.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = p.server.Process.Kill()
		<-ended
	}
	if p.temp != "" {
		_ = os.RemoveAll(p.temp)
	}
}

// output runs a program and returns what it printed; an error has it too.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
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

func goTool() string {
	if g := os.Getenv("GO"); g != "" {
		return g
	}
	return "go"
}
