//go:build linux

package commands

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"openped/internal/rundir"
)

// alone marks the run that has a file system of its own.
const alone = "OPENPED_TEST_ALONE"

// TestRootsFolders: root's daemon has its files where a system's are. It runs in a
// mount namespace, and touches nothing of this computer.
func TestRootsFolders(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has these folders; TestPersonsFolders shows the others")
	}
	if os.Getenv(alone) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestRootsFolders$")
		cmd.Env = append(os.Environ(), alone+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.EPERM) && os.Getenv("CI") == "" {
			t.Skip("no right to a mount namespace")
		}
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	etc := map[string][]byte{}
	for _, name := range []string{"passwd", "group", "hosts", "nsswitch.conf"} {
		if b, err := os.ReadFile("/etc/" + name); err == nil {
			etc[name] = b
		}
	}
	for _, dir := range []string{"/etc", "/run", "/var/lib", "/var/log"} {
		if err := syscall.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(dir, err)
		}
	}
	for name, b := range etc {
		if err := os.WriteFile("/etc/"+name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files(t, nil, "/etc/pedServer.conf", "/run/openped/pedserver.sock", "/var/log/openped/remotePedServerLog.log", "/var/lib/openped/cert/client/desk.pem")
}

// TestPersonsFolders: the daemon of an ordinary user has its files below his home,
// or where his environment says.
func TestPersonsFolders(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root is no person; TestOrdinaryUser runs this")
	}
	home, err := os.MkdirTemp("", "h")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	in := func(path string) string { return filepath.Join(home, path) }
	files(t, []string{"HOME=" + home},
		in(".config/openped/pedServer.conf"), in(".local/state/openped/run/pedserver.sock"), in(".local/state/openped/remotePedServerLog.log"), in(".local/share/openped/cert/client/desk.pem"))
	files(t, []string{"HOME=" + home, "XDG_CONFIG_HOME=" + in("c"), "XDG_STATE_HOME=" + in("s"), "XDG_RUNTIME_DIR=" + in("r"), "XDG_DATA_HOME=" + in("d")},
		in("c/openped/pedServer.conf"), in("r/openped/pedserver.sock"), in("s/openped/remotePedServerLog.log"), in("d/openped/cert/client/desk.pem"))
}

// files runs a pedserver in its usual folders and looks for what it makes.
func files(t *testing.T, env []string, config, socket, log, certificate string) {
	t.Helper()
	pedserver := func(line string) {
		t.Helper()
		cmd := exec.Command("pedserver", strings.Fields(line)...)
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "XDG_") && !strings.HasPrefix(v, "HOME=") && !strings.HasPrefix(v, rundir.Env+"=") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("pedserver %s: %v\n%s", line, err, out)
		}
	}
	d := newDesk(t)
	pedserver("-mode config -set PedDevice unix:/nowhere/ped.sock IP 127.0.0.1 Port " + d.port)
	pedserver("-regen -commonname desk")
	pedserver("-mode start")
	defer pedserver("-mode stop")
	for _, path := range []string{config, socket, log, certificate} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob("*.log"); len(left) > 0 {
		t.Errorf("%v in the folder it was started in", left)
	}
}
