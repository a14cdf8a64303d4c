package service

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadShow(t *testing.T) {
	const head = "LoadState=loaded\nUnitFileState=enabled\nMainPID=42\nNRestarts=3\nFragmentPath=/etc/systemd/system/x.service\n"
	for _, c := range []struct {
		out  string
		want Phase
		said string
	}{
		{head + "ActiveState=active\nSubState=running\nStatusText=Serving\n", Running, "Serving"},
		{head + "ActiveState=activating\nSubState=start\nStatusText=\n", Starting, ""},
		{head + "ActiveState=activating\nSubState=auto-restart\nStatusText=Not started: port=1503 is in use\n", Retrying, "Not started: port=1503 is in use"},
		{head + "ActiveState=deactivating\nSubState=stop-sigterm\n", Stopping, ""},
		{head + "ActiveState=failed\nSubState=failed\n", Failed, ""},
		{head + "ActiveState=inactive\nSubState=dead\n", Stopped, ""},
	} {
		st := readShow("x", c.out)
		if st.Phase != c.want || st.Said != c.said || !st.Installed || !st.AtBoot || st.PID != 42 || st.Restarts != 3 {
			t.Errorf("%q: %+v", c.out, st)
		}
	}
	if st := readShow("x", "LoadState=not-found\nActiveState=inactive\nSubState=dead\n"); st.Installed || st.Alive() {
		t.Errorf("%+v", st)
	}
	st := readShow("x", head+"ExecStart={ path=/usr/bin/x ; argv[]=/usr/bin/x -mode start -configfile /srv/x.conf ; ignore_errors=no ; start_time=[n/a] }\n")
	if st.ConfigFile != "/srv/x.conf" {
		t.Errorf("%+v", st)
	}
}

// TestServing: a service that has said why it does not start is not waited for.
func TestServing(t *testing.T) {
	if ready, _ := serving(State{Phase: Running}); !ready {
		t.Error("who runs has said that it is ready")
	}
	ready, cause := serving(State{Phase: Retrying, Said: failedMark + "no HSM"})
	if ready || cause != "no HSM" {
		t.Errorf("%v %q", ready, cause)
	}
	if ready, cause = serving(State{Phase: Starting, Said: "reading"}); ready || cause != "" {
		t.Errorf("%v %q", ready, cause)
	}
}

// TestDetect plays systemd: what a service says arrives as it should.
func TestDetect(t *testing.T) {
	dir, err := os.MkdirTemp("", "n")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := func() string {
		_ = l.SetReadDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 4096)
		n, err := l.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if Detect("") != nil {
		t.Error("a service without a manager")
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "3000000")
	s := Detect("")
	if s == nil || s.within != 3*time.Second {
		t.Fatalf("%+v", s)
	}
	s.Ready("")
	if got := heard(); got != "STATUS=Serving\nREADY=1" {
		t.Errorf("%q", got)
	}
	s.Ready("no log file")
	if got := heard(); got != "STATUS=Serving, but no log file\nREADY=1" {
		t.Errorf("%q", got)
	}
	s.Ended("port lost")
	if got := heard(); got != "STATUS=Failed: port lost" {
		t.Errorf("%q", got)
	}
	s.Failed("port in use\nREADY=1")
	if got := heard(); strings.Contains(got, "\n") || !strings.HasPrefix(got, "STATUS="+failedMark+"port in use") {
		t.Errorf("%q", got)
	}
	s.Stopping()
	if got := heard(); !strings.Contains(got, "STOPPING=1") {
		t.Errorf("%q", got)
	}
	s.beat()
	if got := heard(); got != "WATCHDOG=1" {
		t.Errorf("%q", got)
	}
}

// TestReachable: a service's program is where it can be seen, and only root
// changes it.
func TestReachable(t *testing.T) {
	if err := reachable("/bin/sh"); err != nil {
		t.Error(err)
	}
	for _, exe := range []string{"/home/me/pedserver", "/tmp/x/pedserver", "/root/bin/pedserver", "/usr/bin/no-such-program"} {
		if reachable(exe) == nil {
			t.Errorf("%s was taken", exe)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can put a program beside the system's")
	}
	dir, err := os.MkdirTemp("/opt", "service")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "pedx")
	if err := os.WriteFile(exe, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := reachable(exe); err != nil {
		t.Error(err)
	}
	for _, change := range []func() error{
		func() error { return os.Chmod(exe, 0o777) },
		func() error { return os.Chmod(dir, 0o777) },
		func() error { return os.Chown(dir, 12345, 0) },
	} {
		_, _ = os.Chmod(exe, 0o755), os.Chmod(dir, 0o755)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if reachable(exe) == nil {
			t.Error("a program that others could change was taken")
		}
	}
}

// TestReadable: a configuration file that the service could not read is told before
// there is a service.
func TestReadable(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has files that others may not read where services look")
	}
	dir, err := os.MkdirTemp("/opt", "service")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "x.conf")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		folder, file os.FileMode
		ok           bool
	}{{0o755, 0o644, true}, {0o700, 0o644, false}, {0o755, 0o600, false}, {0o711, 0o604, true}} {
		if err := os.Chmod(dir, c.folder); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.file); err != nil {
			t.Fatal(err)
		}
		if err := Readable(path, "no-such-user"); (err == nil) != c.ok {
			t.Errorf("%o/%o: %v", c.folder, c.file, err)
		}
	}
	hidden := filepath.Join(t.TempDir(), "y.conf")
	link := filepath.Join(dir, "link.conf")
	if err := os.WriteFile(hidden, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(hidden, link); err != nil {
		t.Fatal(err)
	}
	if Readable(link, "no-such-user") == nil {
		t.Error("a link to where services see nothing was taken")
	}
	if err := Readable(filepath.Join(dir, "not-there"), "no-such-user"); err != nil {
		t.Error(err)
	}
}
