package packages

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// wantedEnv names the folder with the packages.
const wantedEnv = "OPENPED_PACKAGES"

var update = flag.Bool("update", false, "write testdata anew")

// names are the packages.
var names = []string{"openped-pedserver", "openped-pedclient", "openped-softped"}

// pack is one package file.
type pack struct{ name, arch, format, path string }

// built returns the packages of a format, all architectures; a machine's kind that
// was not built is left out, a package that is missing is a failure.
func built(t *testing.T, format string) (list []pack) {
	t.Helper()
	dir := os.Getenv(wantedEnv)
	if dir == "" {
		t.Skip("run  make test-packages")
	}
	pattern := map[string]string{"deb": "NAME_*_ARCH.deb", "rpm": "NAME-*.ARCH.rpm"}[format]
	for _, arch := range []string{"amd64", "arm64"} {
		word := arch
		if format == "rpm" {
			word = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]
		}
		var some []pack
		for _, n := range names {
			found, err := filepath.Glob(filepath.Join(dir, strings.NewReplacer("NAME", n, "ARCH", word).Replace(pattern)))
			if err != nil || len(found) > 1 {
				t.Fatalf("%s for %s: %v %v", n, arch, found, err)
			}
			if len(found) == 1 {
				some = append(some, pack{n, arch, format, found[0]})
			}
		}
		if len(some) != 0 && len(some) != len(names) {
			t.Errorf("%s, %s: only %v", format, arch, some)
		}
		list = append(list, some...)
	}
	if len(list) == 0 {
		t.Fatalf("%s has no .%s", dir, format)
	}
	return list
}

// run is a program that has to succeed; what it said on standard output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// unpacked puts the files of a package into a folder.
func unpacked(t *testing.T, p pack) string {
	t.Helper()
	dir := t.TempDir()
	if p.format == "deb" {
		run(t, "dpkg-deb", "-x", p.path, dir)
	} else {
		// nfpm names files from the root on: cpio must not take that for the machine.
		run(t, "sh", "-c", `rpm2cpio "$1" | (cd "$2" && cpio -idm --quiet --no-absolute-filenames)`, "sh", p.path, dir)
	}
	return dir
}

var written = map[string]bool{}

// golden compares with a file in testdata, the same for every architecture.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update && !written[name] {
		written[name] = true // the next architecture has to be the same
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is another (go test -update writes it anew):\n%s", name, difference(string(want), got))
	}
}

// difference lists the lines that only one has.
func difference(want, got string) string {
	var b strings.Builder
	has := func(text, line string) bool { return strings.Contains("\n"+text, "\n"+line) }
	for line := range strings.Lines(want) {
		if !has(got, line) {
			b.WriteString("- " + line)
		}
	}
	for line := range strings.Lines(got) {
		if !has(want, line) {
			b.WriteString("+ " + line)
		}
	}
	return b.String()
}
