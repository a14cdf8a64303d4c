package guest

import (
	"archive/zip"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"openped/internal/cmdline"
)

// packages is the folder of what scripts/packages-windows has built.
var packages = os.Getenv("OPENPED_WINE_PACKAGES")

var update = flag.Bool("update", false, "write the golden files anew")

func packageFile(arch, end string) string {
	return filepath.Join(packages, "openped-"+cmdline.Version+"-windows-"+arch+end)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s is not as it was (%v); scripts/test-windows -update writes it anew:\n%s", path, err, got)
	}
}

// sums are tables and columns that every change of a program changes.
var sums = map[string][]string{"MsiFileHash": nil, "File": {"FileSize"}}

// TestTables: what the installers say that they do.
func TestTables(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		msi := packageFile(arch, ".msi")
		var b strings.Builder
		tables := strings.Fields(run(t, "msiinfo", "tables", msi))
		slices.Sort(tables)
		for _, table := range tables {
			drop, dropped := sums[table]
			if dropped && drop == nil || strings.HasPrefix(table, "_") {
				continue
			}
			lines := strings.Split(strings.TrimRight(strings.ReplaceAll(run(t, "msiinfo", "export", msi, table), "\r", ""), "\n"), "\n")
			if len(lines) < 4 {
				continue // names and types of columns, the key, and no row
			}
			columns, rows := strings.Split(lines[0], "\t"), lines[3:]
			for i, r := range rows {
				cells := strings.Split(r, "\t")
				for _, d := range drop {
					cells[slices.Index(columns, d)] = "*"
				}
				rows[i] = strings.Join(cells, " | ")
			}
			slices.Sort(rows)
			fmt.Fprintf(&b, "## %s\n%s\n%s\n", table, strings.Join(columns, " | "), strings.Join(rows, "\n"))
		}
		fmt.Fprintf(&b, "## summary\n")
		for line := range strings.Lines(run(t, "msiinfo", "suminfo", msi)) {
			switch key, _, _ := strings.Cut(line, ": "); key {
			case "Template", "Subject", "Author", "Security", "Version":
				b.WriteString(line)
			}
		}
		text := b.String()
		for _, line := range strings.Split(text, "\n") {
			if code, ok := strings.CutPrefix(line, "ProductCode | "); ok {
				text = strings.ReplaceAll(text, code, "PRODUCTCODE")
			}
		}
		golden(t, "tables-"+arch+".txt", strings.ReplaceAll(text, cmdline.Version, "VERSION"))
	}
}

// TestZip: what is in the .zip, and the sources of libusb beside it.
func TestZip(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		r, err := zip.OpenReader(packageFile(arch, ".zip"))
		must(t, err)
		defer r.Close()
		var names []string
		for _, f := range r.File {
			names = append(names, f.Name)
			if f.UncompressedSize64 == 0 {
				t.Errorf("%s: %s is empty", arch, f.Name)
			}
		}
		golden(t, "zip-"+arch+".txt", strings.ReplaceAll(strings.Join(names, "\n")+"\n", cmdline.Version, "VERSION"))
		text := func(name string) string {
			b, err := r.Open("openped-" + cmdline.Version + "-windows-" + arch + "/" + name)
			must(t, err)
			defer b.Close()
			s := new(strings.Builder)
			buf := make([]byte, 64<<10)
			for {
				n, err := b.Read(buf)
				s.Write(buf[:n])
				if err != nil {
					return s.String()
				}
			}
		}
		usb := arch == "amd64"
		if readme := text("README.txt"); strings.Contains(readme, "LGPL") || strings.Contains(readme, "Lesser General Public License") != usb || strings.Contains(readme, "@") {
			t.Errorf("%s: README.txt:\n%s", arch, readme)
		}
		if strings.Contains(text("NOTICES.txt"), "GNU LESSER GENERAL PUBLIC LICENSE") != usb {
			t.Errorf("%s: libusb's licence is there, or is not, as libusb is not", arch)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(packages, "libusb-1.0_*.orig.tar.*")); len(found) != 1 {
		t.Errorf("sources of libusb: %q", found)
	}
}
