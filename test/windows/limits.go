package main

// limit is a test that does not pass in Wine, with the reason.
type limit struct {
	pkg  string // without the module's name
	test string
	why  string
}

const (
	noSymlinks = "Wine makes no symbolic links, and says that it has"
	noUnix     = "Wine has no sockets in the file system"
	noACL      = "Wine keeps no access lists of files"
	noFIFO     = "Windows has no named pipes in the file system"
)

// limits is what Wine cannot do, and what there is not on Windows.
var limits = []limit{
	{"hsm/virtual", "TestLinks", noSymlinks},
	{"internal/atomicfile", "TestPrivate", noACL},
	{"internal/atomicfile", "TestResolve", noSymlinks},
	{"internal/atomicfile", "TestJunctions", noACL},
	{"internal/service", "TestReachable", noACL},
	{"internal/conffile", "TestEditKeeps", noSymlinks},
	{"internal/conffile", "TestNoFile", noUnix},
	{"internal/logs", "TestNoFileDoesNotRotate", noSymlinks},
	{"internal/logs", "TestPipeWithoutReader", noFIFO},
	{"pedclient", "TestOneFileOneHSM", noSymlinks},
	{"softped/back/functionfs", "TestTree", noSymlinks},
	{"internal/admin", "TestForeignFileInTheWay", "no file is in the way of a pipe"},
	{"softped/cli", "TestScripts/errors", "Windows has no interrupts for other processes"},
	{"softped/cli", "TestScripts/usbip", "Windows has no interrupts for other processes"},
	{"usbped", "TestSocketOpener", noUnix},
	{"usbped", "TestTrustedPipe", "Wine finds no user by the name"},
}
