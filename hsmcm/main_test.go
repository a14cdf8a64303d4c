package hsmcm

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"openped/internal/localsock"
	"openped/internal/rundir"
)

// asHsmcm makes the test binary be hsmcm.
const asHsmcm = "OPENPED_TEST_AS_HSMCM"

func runAsCommand() {
	os.Exit(Run(os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, DialSocket))
}

func TestMain(m *testing.M) {
	if os.Getenv(asHsmcm) != "" {
		runAsCommand()
	}
	if path := os.Getenv(asServer); path != "" {
		listenAsNobody(path)
	}
	testscript.Main(m, map[string]func(){"hsmcm": runAsCommand})
}

// asServer makes the test binary a stranger who listens on a socket.
const asServer = "OPENPED_TEST_AS_SERVER"

func listenAsNobody(path string) {
	if err := becomeNobody(); err != nil {
		os.Exit(1)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		os.Exit(1)
	}
	for {
		if _, err := l.Accept(); err != nil {
			os.Exit(1)
		}
	}
}

// listen serves f on a socket in a folder of its own, whose path is short
// enough for a socket address.
func (f *fake) listen(t interface {
	Fatal(...any)
	Cleanup(func())
}) (dir, path string) {
	dir, err := os.MkdirTemp("", "hsmcm")
	if err != nil {
		t.Fatal(err)
	}
	if path, err = (rundir.Dirs{Run: dir}).Socket("hsm.sock"); err != nil {
		t.Fatal(err)
	}
	l, err := localsock.Listen(path, localsock.Access{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); _ = os.RemoveAll(dir) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c)
		}
	}()
	return dir, path
}

func TestScripts(t *testing.T) {
	run, sock := newFake().listen(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("OPENPED_RUNDIR", run)
			e.Setenv("SOCK", sock)
			e.Setenv("NOWHERE", strings.Replace(sock, "hsm.sock", "nowhere.sock", 1))
			return nil
		},
	})
}
