package guest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"openped/test/lab"
)

// What test/windows tells: the prefix, the program that runs others in it, and the
// folder of our programs for Windows.
var (
	winePrefix = os.Getenv("WINEPREFIX")
	wine       = os.Getenv("OPENPED_WINE")
	programs   = os.Getenv("OPENPED_WINE_PROGRAMS")
)

func TestMain(m *testing.M) {
	if wine == "" {
		fmt.Println("these tests run in a prefix of Wine's: make test-windows")
		return
	}
	lab.Main(m)
}

// installed is where programs are put, as people do: with a space in it.
const installed = `C:\Program Files\openped by hand`

// data is where services keep what is theirs.
const data = `C:\ProgramData\openped`

// host returns the path at which this side finds a file of the prefix.
func host(path string) string {
	rest, ok := strings.CutPrefix(path, `C:\`)
	if !ok {
		panic("no path of the prefix: " + path)
	}
	return filepath.Join(winePrefix, "drive_c", filepath.FromSlash(strings.ReplaceAll(rest, `\`, "/")))
}

// guest returns the path at which the prefix finds a file of this side.
func guest(path string) string { return "Z:" + strings.ReplaceAll(path, "/", `\`) }

// desk is the prefix with our programs in a folder: each command of the stage is
// one of them.
func desk(t *testing.T, folder string) *lab.Stage {
	t.Helper()
	bin := t.TempDir()
	for _, p := range append(lab.Programs, "sc", "net", "reg", "msiexec") {
		exe := folder + `\` + p + ".exe"
		if !lab.Exists(host(exe)) {
			exe = p // Windows' own
		}
		script := fmt.Sprintf("#!/bin/sh\nexec '%s' '%s' \"$@\"\n", wine, exe)
		if p != "softped" && p != "hsmcm" { // nobody types into it
			script = fmt.Sprintf(toFile, wine, exe)
		}
		must(t, os.WriteFile(filepath.Join(bin, p), []byte(script), 0o700))
	}
	s, err := lab.NewStage(bin, "")
	must(t, err)
	s.Installed = true
	t.Cleanup(func() { must(t, s.Close(false)) })
	return s
}

// toFile runs a program with a file for what it prints: in Wine a process in the
// background keeps its starter's standard error, and would keep a pipe open.
const toFile = `#!/bin/sh
f=$(mktemp)
'%s' '%s' "$@" >"$f" 2>&1 </dev/null
rc=$?
cat "$f"
rm -f "$f"
exit $rc
`

// byHand puts the programs where a person would, and returns a desk with them.
func byHand(t *testing.T) *lab.Stage {
	t.Helper()
	dir := host(installed)
	must(t, os.MkdirAll(dir, 0o755))
	for _, p := range lab.Programs {
		b, err := os.ReadFile(filepath.Join(programs, p+".exe"))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, p+".exe"), b, 0o755))
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)); must(t, os.RemoveAll(host(data))) })
	return desk(t, installed)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// says runs a program, which has to end with that exit code and to print that.
func says(t testing.TB, s *lab.Stage, code int, want, program string, args ...string) string {
	t.Helper()
	out, err := s.Run(program, args...)
	if exit := (*exec.ExitError)(nil); lab.ExitCode(err) != code || !strings.Contains(out, want) {
		t.Fatalf("%s %s: exit code %d, want %d and %q (%T):\n%s", program, strings.Join(args, " "), lab.ExitCode(err), code, want, exit, out)
	}
	return out
}

// freePort returns a port that nobody has.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	return port
}
