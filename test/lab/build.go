package lab

import (
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

var built struct {
	once sync.Once
	dir  string
	own  bool // to be removed
	err  error
	ours bool // Main runs
}

// Main is what a TestMain calls: it runs the tests, removes the programs that
// were built for them, and calls after.
func Main(m *testing.M, after ...func()) {
	built.ours = true
	code := m.Run()
	for _, f := range after {
		f()
	}
	if built.own {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// Bin returns the folder of the programs: OPENPED_BIN, or one that they are
// built into, once per test process.
func Bin(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir = os.Getenv(BinEnv); built.dir != "" {
			return
		}
		if !built.ours {
			built.err = fmt.Errorf("TestMain has to call lab.Main, or %s has to be set", BinEnv)
			return
		}
		built.dir, built.err = os.MkdirTemp("", "openped-bin-")
		if built.err != nil {
			return
		}
		built.own = true
		args := []string{"build", "-buildvcs=false", "-o", built.dir + string(os.PathSeparator)}
		for _, p := range Programs {
			args = append(args, "openped/cmd/"+p)
		}
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir
}
