package main

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// kit is a folder with what the machine has from the distribution.
type kit string

func (k kit) kernel() string  { return filepath.Join(string(k), "vmlinux") }
func (k kit) modules() string { return filepath.Join(string(k), "modules") } // NN-name.ko, in the order to load them
func (k kit) udevadm() string { return filepath.Join(string(k), "udevadm") }
func (k kit) usbip() string   { return filepath.Join(string(k), "usbip") }

// wanted are the kernel's modules, without those that they need themselves.
var wanted = []string{"vhci-hcd", "dummy_hcd", "usb_f_fs", "usbip-vudc"}

// fetch returns the kit, and makes it if it is not in the cache.
func fetch(ctx context.Context) (kit, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no folder for the kernel: %w; set XDG_CACHE_HOME", err)
		}
		base = filepath.Join(home, ".cache")
	}
	base = filepath.Join(base, "openped-vm")
	k := kit(filepath.Join(base, "kit"))
	if _, err := os.Stat(string(k)); err == nil {
		return k, nil
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(base, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	made := kit(filepath.Join(work, "kit"))
	if err := assemble(ctx, work, made); err != nil {
		return "", fmt.Errorf("the machine's kernel could not be fetched: %w; run  apt-get update  as root and try again", err)
	}
	// Whoever comes second has made the same.
	if err := os.Rename(string(made), string(k)); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return k, nil
}

var imagePackage = regexp.MustCompile(`(?m)^ *Depends: (linux-image-[0-9][^ \n]*)$`)

func assemble(ctx context.Context, work string, k kit) error {
	out, err := tool(ctx, work, "apt-cache", "depends", "linux-image-amd64")
	if err != nil {
		return err
	}
	image := imagePackage.FindSubmatch(out)
	if image == nil {
		return errors.New("apt knows no linux-image-amd64")
	}
	fmt.Printf("usb: fetching %s, udev and usbip, this once\n", image[1])
	if _, err := tool(ctx, work, "apt-get", "download", "-q", string(image[1]), "udev", "usbip"); err != nil {
		return err
	}
	debs, _ := filepath.Glob(filepath.Join(work, "*.deb"))
	root := filepath.Join(work, "x")
	for _, d := range debs {
		if _, err := tool(ctx, work, "dpkg-deb", "-x", d, root); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(k.modules(), 0o755); err != nil {
		return err
	}
	packed, err := one(root, "boot/vmlinuz-*")
	if err != nil {
		return err
	}
	if err := unpackKernel(ctx, packed, k.kernel()); err != nil {
		return err
	}
	if err := collectModules(ctx, root, k.modules()); err != nil {
		return err
	}
	for pattern, to := range map[string]string{"*bin/udevadm": k.udevadm(), "usr/sbin/usbip": k.usbip()} {
		from, err := one(root, pattern)
		if err == nil {
			err = os.Rename(from, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unpackKernel writes the kernel proper out of a compressed one: it boots at once,
// where unpacking would take seconds in an emulated processor.
func unpackKernel(ctx context.Context, from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	for _, way := range []struct {
		magic string
		unzip []string
	}{
		{"\xfd7zXZ\x00", []string{"xz", "-dc", "--single-stream"}},
		{"\x28\xb5\x2f\xfd", []string{"zstd", "-dcq"}},
	} {
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], []byte(way.magic))
			if i < 0 {
				break
			}
			at += i
			cmd := exec.CommandContext(ctx, way.unzip[0], way.unzip[1:]...)
			cmd.Stdin = bytes.NewReader(b[at:])
			// What follows the kernel in the file makes it fail: the result tells.
			if out, _ := cmd.Output(); bytes.HasPrefix(out, []byte(elf.ELFMAG)) {
				return os.WriteFile(to, out, 0o644)
			}
		}
	}
	return fmt.Errorf("no kernel found in %s (xz and zstd were tried)", filepath.Base(from))
}

// collectModules copies the wanted modules and all that they need, numbered in the
// order in which they can be loaded.
func collectModules(ctx context.Context, root, to string) error {
	files := map[string]string{} // by name, dashes as underlines
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if name, _, ok := strings.Cut(filepath.Base(path), ".ko"); err == nil && ok && d.Type().IsRegular() {
			files[moduleName(name)] = path
		}
		return err
	})
	if err != nil {
		return err
	}
	var done []string
	var add func(name string) error
	add = func(name string) error {
		if name = moduleName(name); slices.Contains(done, name) {
			return nil
		}
		path, ok := files[name]
		if !ok {
			return fmt.Errorf("the kernel has no module %s", name)
		}
		b, err := os.ReadFile(path)
		if err == nil && strings.HasSuffix(path, ".xz") {
			b, err = tool(ctx, root, "xz", "-dc", path)
		}
		if err != nil {
			return err
		}
		needs, err := moduleNeeds(b)
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return err
			}
		}
		done = append(done, name)
		return os.WriteFile(filepath.Join(to, fmt.Sprintf("%02d-%s.ko", len(done), name)), b, 0o644)
	}
	for _, name := range wanted {
		if err := add(name); err != nil {
			return err
		}
	}
	return nil
}

func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// moduleNeeds are the modules that a module says it needs.
func moduleNeeds(module []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return nil, errors.New("says nothing of itself")
	}
	info, err := s.Data()
	if err != nil {
		return nil, err
	}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		if list, ok := strings.CutPrefix(string(field), "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}

func one(root, pattern string) (string, error) {
	found, _ := filepath.Glob(filepath.Join(root, pattern))
	if len(found) == 0 && strings.HasPrefix(pattern, "*") {
		found, _ = filepath.Glob(filepath.Join(root, "usr", pattern))
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d files %s in the packages, want one", len(found), pattern)
	}
	return found[0], nil
}

// tool runs a program to its end in a folder.
func tool(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var bad bytes.Buffer
	cmd.Stderr = &bad
	out, err := cmd.Output()
	if err != nil {
		said := strings.TrimSpace(bad.String())
		return nil, fmt.Errorf("%s %s: %w: %s", name, args[0], err, said[strings.LastIndexByte(said, '\n')+1:])
	}
	return out, nil
}
