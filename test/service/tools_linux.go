package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// The programs that the machine is made of and run with, and the packages that
// they come with.
var needed = []struct{ program, from string }{
	{systemd, "systemd"},
	{"systemctl", "systemd"},
	{"systemd-analyze", "systemd"},
	{"systemd-sysusers", "systemd"},
	{"/usr/bin/dbus-daemon", "dbus"},
	{"dpkg", "dpkg"},
	{"dpkg-deb", "dpkg"},
	{"nsenter", "util-linux"},
}

const systemd = "/lib/systemd/systemd"

// tools checks that everything is there and names all that is not. It returns
// where cgroup2 is mounted.
func tools() (unified string, err error) {
	if os.Geteuid() != 0 {
		return "", errors.New("root is needed, for namespaces and an overlay: run it as root, or with sudo")
	}
	var missing []string
	for _, n := range needed {
		if _, err := exec.LookPath(n.program); err != nil {
			missing = append(missing, n.from)
		}
	}
	if !library("libusb-1.0.so.0") {
		missing = append(missing, "libusb-1.0-0")
	}
	if missing != nil {
		return "", fmt.Errorf("programs are missing: run  apt-get install %s  as root", strings.Join(missing, " "))
	}
	if b, err := os.ReadFile("/proc/filesystems"); err == nil && !strings.Contains(string(b), "\toverlay\n") {
		return "", errors.New("this kernel has no overlay file system loaded: run  modprobe overlay  as root")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	unified = cgroup2(string(mounts))
	if unified == "" {
		return "", errors.New("cgroup2 is not mounted: run  mount -t cgroup2 cgroup2 /sys/fs/cgroup  as root, or start the container with it")
	}
	if err := unix.Access(unified, unix.W_OK); err != nil {
		return "", fmt.Errorf("%s cannot be written: %w: the right to make cgroups is needed, in a container that of a privileged one", unified, err)
	}
	return unified, nil
}

// library reports whether the loader knows a library.
func library(name string) bool {
	out, err := exec.Command("/sbin/ldconfig", "-p").Output()
	return err == nil && strings.Contains(string(out), name)
}

// cgroup2 finds in a mountinfo where the hierarchy of version 2 is mounted; beside
// one of version 1 too.
func cgroup2(mountinfo string) string {
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		if fields := strings.Fields(before); ok && len(fields) > 4 && strings.HasPrefix(after, "cgroup2 ") {
			return fields[4]
		}
	}
	return ""
}
