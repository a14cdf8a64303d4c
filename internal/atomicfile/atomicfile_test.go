package atomicfile

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The test binary is also the other process of the tests.
func TestMain(m *testing.M) {
	switch path := os.Getenv("ATOMICFILE_PATH"); os.Getenv("ATOMICFILE_CHILD") {
	case "":
		os.Exit(m.Run())
	case "lock": // hold a lock until killed or stdin ends
		if _, err := Lock(path); err != nil {
			os.Stdout.WriteString("error " + err.Error() + "\n")
			os.Exit(2)
		}
		os.Stdout.WriteString("locked\n")
		io.Copy(io.Discard, os.Stdin)
	case "temp": // die, with a temporary file of path open and half written
		f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*"+tempSuffix)
		if err != nil || tryLock(f) != nil {
			os.Exit(2)
		}
		f.WriteString("half")
		os.Stdout.WriteString("written\n")
		io.Copy(io.Discard, os.Stdin)
	case "full": // a disk that is full after 4 KiB
		if err := limitFileSize(4096); err != nil {
			os.Stdout.WriteString("error " + err.Error() + "\n")
			os.Exit(2)
		}
		if err := WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
			os.Stdout.WriteString("refused\n")
		}
	}
}

// child starts this binary as the other process and returns its first line.
func child(t *testing.T, what, path string) (cmd *exec.Cmd, line string) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ATOMICFILE_CHILD="+what, "ATOMICFILE_PATH="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Process.Kill(); cmd.Wait() })
	line, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("child said nothing: %v", err)
	}
	return cmd, strings.TrimSpace(line)
}

// only checks that dir holds exactly these files.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("folder holds %q, want %q", got, names)
	}
}

func content(t *testing.T, path, want string) {
	t.Helper()
	if b, err := os.ReadFile(path); err != nil || string(b) != want {
		t.Errorf("content %.20q, want %.20q (%v)", b, want, err)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for _, c := range []struct {
		data string
		perm fs.FileMode
	}{{"one", 0o600}, {"two, longer", 0o644}, {"", 0o600}} {
		if err := WriteFile(path, []byte(c.data), c.perm); err != nil {
			t.Fatal(err)
		}
		content(t, path, c.data)
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != c.perm && os.PathSeparator == '/' {
			t.Errorf("mode %v, want %v", st.Mode(), c.perm)
		}
	}
	only(t, dir, "state")
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := WriteFile("state", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	content(t, "state", "x")
}

// failing writes n bytes and then fails.
type failing struct {
	w io.Writer
	n int
}

var errFull = errors.New("no space left")

func (f *failing) Write(b []byte) (int, error) {
	n, _ := f.w.Write(b[:min(f.n, len(b))])
	return n, errFull
}

func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	if err := WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 3} {
		err := writeFile(path, []byte("new"), 0o600, func(f *os.File) io.Writer { return &failing{f, n} })
		if !errors.Is(err, errFull) || !strings.Contains(err.Error(), path) {
			t.Errorf("failed after %d bytes: %v", n, err)
		}
		content(t, path, "old")
		only(t, dir, "state")
	}
	// The same where there was no file before.
	if err := writeFile(path+"2", []byte("new"), 0o600, func(f *os.File) io.Writer { return &failing{f, 1} }); err == nil {
		t.Error("no error")
	}
	only(t, dir, "state")
}

func TestBadPlaces(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none", "state"), filepath.Join(dir, "sub"), ""} {
		err := WriteFile(path, []byte("x"), 0o600)
		if err == nil || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), tempSuffix) {
			t.Errorf("%q: %v", path, err)
		}
	}
	only(t, dir, "sub")
	only(t, filepath.Join(dir, "sub"))
}

// A writer that was killed leaves its temporary file, which the next writer
// removes; one that lives, and files that only look alike, are left alone.
func TestStale(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for _, n := range []string{".state.x.tmp", ".state..tmp", ".other.123.tmp", "state.123.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd, line := child(t, "temp", path)
	if line != "written" {
		t.Fatal(line)
	}
	if err := WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if m, _ := filepath.Glob(filepath.Join(dir, ".state.*.tmp")); len(m) != 3 {
		t.Errorf("a living writer's file was removed: %q", m)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if err := WriteFile(path, []byte("y"), 0o600); err != nil {
		t.Fatal(err)
	}
	only(t, dir, ".other.123.tmp", ".state..tmp", ".state.x.tmp", "state", "state.123.tmp")
}

func TestConcurrentWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	a, b := strings.Repeat("a", 1<<16), strings.Repeat("b", 1<<16)
	done := make(chan error)
	for _, s := range []string{a, b} {
		go func() {
			for range 50 {
				if err := WriteFile(path, []byte(s), 0o600); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for open := 2; open > 0; {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			open--
		default:
			if runtime.GOOS == "windows" {
				time.Sleep(time.Millisecond) // who reads is in the way of who replaces
			}
			if got, err := os.ReadFile(path); err == nil && string(got) != a && string(got) != b {
				t.Fatalf("a mixture of %d bytes was visible", len(got))
			}
		}
	}
	only(t, dir, "state")
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.lock")
	unlock, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(path)
	var locked *LockedError
	if !errors.Is(err, ErrLocked) || !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("second lock: %v", err)
	}
	if _, line := child(t, "lock", path); !strings.HasPrefix(line, "error ") || !strings.Contains(line, locked.Error()) {
		t.Errorf("other process: %q", line)
	}
	unlock()
	unlock()
	only(t, filepath.Dir(path))
	again, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	unlock() // of the first, once more: must not take the second's
	if _, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("an old unlock took a new lock: %v", err)
	}
	again()
}

func TestLockOfKilledProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.lock")
	cmd, line := child(t, "lock", path)
	if line != "locked" {
		t.Fatal(line)
	}
	var locked *LockedError
	if _, err := Lock(path); !errors.As(err, &locked) || locked.PID != cmd.Process.Pid {
		t.Fatalf("lock of process %d: %v", cmd.Process.Pid, err)
	}
	if _, err := LockWait(path, 20*time.Millisecond); !errors.Is(err, ErrLocked) {
		t.Fatalf("wait: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	unlock, err := LockWait(path, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// Many want the lock, each gets it alone.
func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.lock")
	inside, total := make(chan struct{}, 1), make(chan error)
	for range 8 {
		go func() {
			for range 20 {
				unlock, err := LockWait(path, 30*time.Second)
				if err != nil {
					total <- err
					return
				}
				select {
				case inside <- struct{}{}:
					<-inside
				default:
					total <- errors.New("two inside")
					return
				}
				unlock()
			}
			total <- nil
		}()
	}
	for range 8 {
		if err := <-total; err != nil {
			t.Error(err)
		}
	}
}

func TestLockBadPlaces(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none", "x.lock"), dir} {
		if _, err := Lock(path); err == nil || errors.Is(err, ErrLocked) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
