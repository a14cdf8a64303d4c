package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

//go:embed init.sh
var initScript []byte

// tests are what the machine is to run.
type tests struct {
	full  bool
	only  string
	limit time.Duration
}

// args is the command line of the tests, one word per line.
func (t tests) args() []byte {
	words := []string{"-test.v", "-test.timeout=" + (t.limit - 5*time.Second).String()}
	if !t.full {
		words = append(words, "-test.skip=^TestFull")
	}
	if t.only != "" {
		words = append(words, "-test.run="+t.only)
	}
	return []byte(strings.Join(words, "\n") + "\n")
}

const (
	users = `root:x:0:0::/root:/bin/sh
ped:x:1000:1000::/tmp:/bin/sh
visitor:x:1001:1001::/tmp:/bin/sh
nobody:x:65534:65534::/tmp:/bin/sh
`
	// ped is in the group that the rule of dist/udev names, visitor is not.
	groups = `root:x:0:
openped:x:46:ped
ped:x:1000:
visitor:x:1001:
nogroup:x:65534:
`
)

// programs builds what is shipped and the tests, into dir. pedserver and
// pedclient are built with libusb.
func programs(ctx context.Context, dir string) error {
	build := func(cgo string, args ...string) error {
		cmd := exec.CommandContext(ctx, goTool(), args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", args[0], err, out)
		}
		return nil
	}
	flags := []string{"-trimpath", "-buildvcs=false", "-ldflags=-s -w"}
	to := dir + string(filepath.Separator)
	if err := build("1", append(append([]string{"build", "-o", to}, flags...), "openped/cmd/...")...); err != nil {
		return err
	}
	return build("1", append(append([]string{"test", "-c", "-o", filepath.Join(dir, testProgram)}, flags...), "openped/test/usb/guest")...)
}

const testProgram = "usbtest"

func goTool() string {
	if g := os.Getenv("GO"); g != "" {
		return g
	}
	return "go"
}

// pack makes the machine's root file system, with everything in it.
func pack(ctx context.Context, k kit, work string, t tests) (string, error) {
	bin := filepath.Join(work, "bin")
	if err := programs(ctx, bin); err != nil {
		return "", err
	}
	image := filepath.Join(work, "image")
	f, err := os.Create(image)
	if err != nil {
		return "", err
	}
	defer f.Close()
	a := newArchive(f)
	for _, d := range []string{"dev", "proc", "sys", "run", "tmp", "root", "var", "etc/udev/rules.d"} {
		a.dir(d)
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return "", err
	}
	a.text("init", initScript, 0o755)
	a.text("etc/passwd", []byte(users), 0o644)
	a.text("etc/group", []byte(groups), 0o644)
	a.text("usr/share/misc/usb.ids", nil, 0o644) // usbip wants one
	a.text("openped/args", t.args(), 0o644)
	a.link("var/run", "/run")
	a.link("bin/systemd-udevd", "udevadm")
	a.file("bin/busybox", busybox, 0o755)
	modules, _ := filepath.Glob(filepath.Join(k.modules(), "*.ko"))
	for _, m := range modules {
		a.file("modules/"+filepath.Base(m), m, 0o644)
	}
	rules, _ := filepath.Glob("dist/udev/*.rules")
	if len(rules) == 0 {
		return "", errors.New("no udev rule in dist/udev: run this in the project's folder")
	}
	for _, r := range rules {
		a.file("openped/udev/"+filepath.Base(r), r, 0o644)
	}
	ours, err := filepath.Glob(filepath.Join(bin, "*"))
	if err != nil {
		return "", err
	}
	libraries := map[string]bool{}
	for _, p := range append(ours, k.udevadm(), k.usbip()) {
		a.file("bin/"+filepath.Base(p), p, 0o755)
		if err := linked(ctx, p, libraries); err != nil {
			return "", err
		}
	}
	for l := range libraries {
		a.file(l, l, 0o755)
	}
	return image, a.close()
}

var library = regexp.MustCompile(`(?m)^\s*(?:\S+ => )?(/\S+|not found)`)

// linked adds the libraries that a program loads.
func linked(ctx context.Context, program string, to map[string]bool) error {
	if static(program) {
		return nil
	}
	out, err := tool(ctx, "", "ldd", program)
	if err != nil {
		return err
	}
	for _, m := range library.FindAllSubmatch(out, -1) {
		if string(m[1]) == "not found" {
			return fmt.Errorf("a library of %s is not installed: %s", filepath.Base(program), strings.TrimSpace(string(m[0])))
		}
		to[string(m[1])] = true
	}
	return nil
}
