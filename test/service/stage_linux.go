package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The folders of the layer, below plan.Work in the keeper's mounts.
func upper(p plan) string { return filepath.Join(p.Work, "layer", "upper") }
func inner(p plan) string { return filepath.Join(p.Work, "layer", "work") }
func root(p plan) string  { return filepath.Join(p.Work, "layer", "root") }

// Where the machine has the packages and tests, and, to tell what has changed, the
// layer that it writes to and what is beneath.
const (
	kitInside   = "/mnt"
	aboveInside = kitInside + "/above"
	belowInside = kitInside + "/below"
)

// Folders of a system. Others in its root, and those of people in it, are nobody's
// business.
var (
	standard = []string{"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "lost+found", "media", "mnt", "opt", "proc",
		"root", "run", "sbin", "srv", "sys", "tmp", "usr", "var", "home"}
	people = []string{"home", "opt", "root", "srv", "tmp"}
)

// hidden are the folders in the root that the machine does not see.
func hidden() []string {
	all := slices.Clone(people)
	there, _ := os.ReadDir("/")
	for _, e := range there {
		if e.IsDir() && !slices.Contains(standard, e.Name()) {
			all = append(all, e.Name())
		}
	}
	return all
}

// Units that would only look for hardware, wait for a network, or change what the
// machine has in common with this one.
var masked = []string{
	"dev-hugepages.mount", "dev-mqueue.mount", "getty.target", "kmod-static-nodes.service", "ldconfig.service",
	"modprobe@.service", "proc-sys-fs-binfmt_misc.automount", "proc-sys-fs-binfmt_misc.mount", "sys-fs-fuse-connections.mount",
	"sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-binfmt.service",
	"systemd-firstboot.service", "systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "systemd-logind.service",
	"systemd-machine-id-commit.service", "systemd-modules-load.service", "systemd-networkd.service", "systemd-pcrphase.service",
	"systemd-pcrphase-sysinit.service", "systemd-pstore.service", "systemd-random-seed.service", "systemd-remount-fs.service",
	"systemd-repart.service", "systemd-resolved.service", "systemd-sysctl.service", "systemd-timesyncd.service",
	"systemd-udevd.service", "systemd-udev-trigger.service", "systemd-update-done.service",
}

// layer makes what the machine writes to, and makes of this machine's files one
// that has just been installed and has no services but the system's own.
func layer(p plan) error {
	base := filepath.Dir(upper(p))
	if err := os.Mkdir(base, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", base, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("a file system in memory: %w", err)
	}
	for _, dir := range []string{upper(p), inner(p), root(p)} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := overlay(p); err != nil {
		return err
	}
	defer func() { _ = unix.Unmount(root(p), 0) }()
	in := func(path string) string { return filepath.Join(root(p), path) }
	units := in("etc/systemd/system")
	for _, pattern := range []string{
		"etc/systemd/system", "etc/rc?.d/*",
		"usr/sbin/policy-rc.d", "etc/dpkg/dpkg.cfg.d/*", // images of containers start no services and install no manuals
		"etc/pedServer.conf*", "etc/pedClient.conf*", "etc/openped*", "var/lib/openped", "var/log/openped", // somebody tried the programs
	} {
		found, _ := filepath.Glob(in(pattern))
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	generators, _ := filepath.Glob(in("lib/systemd/system-generators/*"))
	// The index of all manuals takes longer than the rest of an installation.
	nothing := map[string]string{in("usr/bin/mandb"): "/bin/true"}
	for _, g := range generators {
		nothing[in("etc/systemd/system-generators/"+filepath.Base(g))] = "/dev/null"
	}
	for _, unit := range masked {
		nothing[filepath.Join(units, unit)] = "/dev/null"
	}
	for path, to := range nothing {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Symlink(to, path); err != nil {
			return err
		}
	}
	for path, text := range map[string]string{
		"etc/fstab":                             "",
		"etc/hostname":                          "machine\n",
		"etc/machine-id":                        "6f70656e7065642d736572766963652d\n",
		"etc/systemd/journald.conf.d/test.conf": "[Journal]\nStorage=volatile\nForwardToConsole=no\nRateLimitIntervalSec=0\n",
	} {
		if err := os.MkdirAll(filepath.Dir(in(path)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(in(path), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// overlay mounts the machine's files.
func overlay(p plan) (err error) {
	options := fmt.Sprintf("lowerdir=/,upperdir=%s,workdir=%s", upper(p), inner(p))
	// That of the boot before goes with the last of its processes.
	for begun := time.Now(); time.Since(begun) < 5*time.Second; time.Sleep(50 * time.Millisecond) {
		if err = unix.Mount("overlay", root(p), "overlay", 0, options); err != unix.EBUSY {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("an overlay of /: %w", err)
	}
	return nil
}

// mount is one of those that the machine has besides its files; the target is
// below its root, and is made if it is not there.
type mount struct {
	source, target, kind string
	flags                uintptr
	options              string
}

const readOnly = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY

// becomeSystemd makes the mounts and becomes process 1 of the machine.
func becomeSystemd(arg string) error {
	p, err := decode(arg)
	if err != nil {
		return err
	}
	// Here and not before: the root of the new one is where we are.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("a cgroup namespace: %w", err)
	}
	if err := overlay(p); err != nil {
		return err
	}
	console, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		return err
	}
	if err := os.Chdir(root(p)); err != nil {
		return err
	}
	if err := furnish(p, console); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("machine")); err != nil {
		return err
	}
	for _, c := range refused {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("capability %d: %w", c, err)
		}
	}
	return syscall.Exec(systemd, []string{systemd, "--system", "--unit=multi-user.target"},
		[]string{"container=openped-test", "PATH=" + path, "TERM=dumb"})
}

// refused are the rights to what no namespace keeps apart: modules, devices, clocks.
var refused = []uintptr{
	unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_TIME, unix.CAP_SYS_PACCT, unix.CAP_SYSLOG,
	unix.CAP_WAKE_ALARM, unix.CAP_BLOCK_SUSPEND, unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE,
	unix.CAP_BPF, unix.CAP_PERFMON,
}

// furnish mounts what a machine has besides files, below the working folder.
func furnish(p plan, console string) error {
	mounts := []mount{
		{"proc", "proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"sysfs", "sys", "sysfs", unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"cgroup2", "sys/fs/cgroup", "cgroup2", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"tmpfs", "dev", "tmpfs", unix.MS_NOSUID, "mode=755"},
		{"devpts", "dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"},
		{"tmpfs", "dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
		{"tmpfs", "run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
	}
	// What is common to all machines of this kernel is only read.
	for _, path := range []string{"proc/sys", "proc/sysrq-trigger", "proc/bus", "proc/fs", "proc/irq"} {
		if _, err := os.Lstat("/" + path); err == nil {
			mounts = append(mounts, mount{path, path, "", unix.MS_BIND, ""}, mount{"", path, "", readOnly, ""})
		}
	}
	for _, dir := range hidden() {
		if _, err := os.Lstat(dir); err == nil {
			mode := "mode=755"
			if dir == "tmp" {
				mode = "mode=1777"
			}
			mounts = append(mounts, mount{"tmpfs", dir, "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, mode})
		}
	}
	for _, m := range [][2]string{{p.kit(), kitInside}, {upper(p), aboveInside}, {"/", belowInside}} {
		to := m[1][1:]
		mounts = append(mounts, mount{m[0], to, "", unix.MS_BIND, ""}, mount{"", to, "", readOnly, ""})
	}
	for _, m := range mounts {
		if err := os.MkdirAll(m.target, 0o755); err != nil && m.kind != "" {
			return err
		}
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	for _, n := range []struct {
		name         string
		major, minor uint32
	}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}} {
		path := filepath.Join("dev", n.name)
		if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(n.major, n.minor))); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.Chmod(path, 0o666); err != nil { // whatever the umask
			return err
		}
	}
	for name, to := range map[string]string{"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		if err := os.Symlink(to, filepath.Join("dev", name)); err != nil {
			return err
		}
	}
	if err := os.WriteFile("dev/console", nil, 0o600); err != nil {
		return err
	}
	if err := unix.Mount(console, "dev/console", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("/dev/console: %w", err)
	}
	return nil
}
