package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	// What the programs are made of, so that the go command does not serve a
	// remembered result for tests whose programs have changed.
	_ "openped/hsmcm"
	_ "openped/pedclient/cli"
	_ "openped/pedserver/cli"
	_ "openped/softped/cli"
)

// Programs are what the lab runs.
var Programs = []string{"pedserver", "pedclient", "softped", "hsmcm"}

// BinEnv names a folder that has the programs already.
const BinEnv = "OPENPED_BIN"

// builds is a way to build the programs, once per test process.
type builds struct {
	make func(dir string) error

	once sync.Once
	dir  string
	own  bool // to be removed
	err  error
}

var plain = builds{make: func(dir string) error { return build(dir) }}

var mainRuns bool

// Main is what a TestMain calls: it runs the tests, removes the programs that
// were built for them, and calls after.
func Main(m *testing.M, after ...func()) {
	mainRuns = true
	code := m.Run()
	for _, f := range after {
		f()
	}
	for _, b := range []*builds{&plain, &clocked} {
		if b.own {
			_ = os.RemoveAll(b.dir)
		}
	}
	forgetPrepared()
	os.Exit(code)
}

// Bin returns the folder of the programs: OPENPED_BIN, or one that they are
// built into, once per test process.
func Bin(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv(BinEnv); dir != "" {
		return dir
	}
	return plain.folder(t)
}

func (b *builds) folder(t testing.TB) string {
	t.Helper()
	b.once.Do(func() {
		if !mainRuns {
			b.err = errors.New("TestMain has to call lab.Main")
			return
		}
		if b.dir, b.err = os.MkdirTemp("", "openped-bin-"); b.err == nil {
			b.own = true
			b.err = b.make(b.dir)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.dir
}

func build(dir string, flags ...string) error {
	args := append([]string{"build", "-buildvcs=false", "-o", dir + string(os.PathSeparator)}, flags...)
	for _, p := range Programs {
		args = append(args, "openped/cmd/"+p)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}
