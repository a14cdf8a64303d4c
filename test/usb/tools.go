package main

import (
	"debug/elf"
	"fmt"
	"os/exec"
	"strings"
)

// The programs that make and run the machine, and the packages they come with.
var needed = []struct{ program, from string }{
	{"qemu-system-x86_64", "qemu-system-x86"},
	{"busybox", "busybox-static"},
	{"xz", "xz-utils"},
	{"apt-get", "apt"},
	{"dpkg-deb", "dpkg"},
	{"ldd", "libc-bin"},
	{"gcc", "gcc"},
	{"pkg-config", "pkg-config"},
}

// tools checks that everything is there and names all that is not.
func tools() error {
	var missing []string
	for _, n := range needed {
		path, err := exec.LookPath(n.program)
		if err == nil && n.program == "busybox" && !static(path) {
			err = exec.ErrNotFound
		}
		if err != nil {
			missing = append(missing, n.from)
		}
	}
	if exec.Command("pkg-config", "--exists", "libusb-1.0").Run() != nil {
		missing = append(missing, "libusb-1.0-0-dev")
	}
	if missing != nil {
		return fmt.Errorf("programs are missing: run  apt-get install %s  as root", strings.Join(missing, " "))
	}
	return nil
}

// static reports whether a program needs no library.
func static(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Section(".interp") == nil
}
