package packages

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestPrograms: for the right processor, without the names of folders they were
// built in, and hardened where C is linked; notices name all modules of each.
func TestPrograms(t *testing.T) {
	for _, p := range append(built(t, "deb"), built(t, "rpm")...) {
		t.Run(filepath.Base(p.path), func(t *testing.T) {
			dir := unpacked(t, p)
			notices, err := os.ReadFile(filepath.Join(dir, "usr/share/doc", p.name, "copyright"))
			if err != nil {
				t.Fatal(err)
			}
			programs, err := filepath.Glob(filepath.Join(dir, "usr/bin/*"))
			if err != nil || len(programs) == 0 {
				t.Fatal(programs, err)
			}
			for _, path := range programs {
				name := filepath.Base(path)
				f, err := elf.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[p.arch]; f.Machine != want {
					t.Errorf("%s is for %v", name, f.Machine)
				}
				if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
					t.Errorf("%s is not stripped", name)
				}
				libs, err := f.ImportedLibraries()
				if err != nil {
					t.Fatal(err)
				}
				usb := name == "pedserver" || name == "pedclient"
				if slices.Contains(libs, "libusb-1.0.so.0") != usb {
					t.Errorf("%s is linked with %v", name, libs)
				}
				if !usb && len(libs) > 0 {
					t.Errorf("%s is linked with %v", name, libs)
				}
				if now, _ := f.DynValue(elf.DT_FLAGS_1); usb && (f.Type != elf.ET_DYN || len(now) == 0 || elf.DynFlag1(now[0])&elf.DF_1_NOW == 0) {
					t.Errorf("%s is not hardened: %v %v", name, f.Type, now)
				}
				info, err := buildinfo.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range info.Deps {
					if !bytes.Contains(notices, []byte("\n"+m.Path+" "+m.Version+"\n")) {
						t.Errorf("no notice of %s %s, which %s has", m.Path, m.Version, name)
					}
				}
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				home, _ := os.UserHomeDir()
				for _, place := range []string{os.TempDir() + "/", filepath.Join(home, "go") + "/"} {
					if bytes.Contains(b, []byte(place+"go-build")) || bytes.Contains(b, []byte(place+"pkg/mod")) {
						t.Errorf("%s names a folder it was built in, below %s", name, place)
					}
				}
			}
		})
	}
}

// TestManual: man reads every page without a warning, none is wider than a terminal,
// and whatis knows it.
func TestManual(t *testing.T) {
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("there is no man")
	}
	for _, p := range built(t, "deb") {
		if p.arch != "amd64" {
			continue // the same
		}
		dir := unpacked(t, p)
		pages := find(t, dir, ".gz", "usr/share/man")
		if len(pages) == 0 {
			t.Errorf("%s has no pages", p.name)
		}
		for _, page := range pages {
			cmd := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", page)
			cmd.Env = append(os.Environ(), "MANWIDTH=80", "MANROFFSEQ=", "LC_ALL=C.UTF-8", "GROFF_NO_SGR=1")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || stderr.Len() > 0 {
				t.Errorf("%s: %v\n%s", page, err, stderr.String())
			}
			text := strings.NewReplacer("_\b", "").Replace(string(out))
			for line := range strings.Lines(text) {
				for i := strings.IndexByte(line, '\b'); i > 0; i = strings.IndexByte(line, '\b') { // bold
					_, n := utf8.DecodeLastRuneInString(line[:i])
					line = line[:i-n] + line[i+1:]
				}
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
					t.Errorf("%s: %d columns: %s", filepath.Base(page), n, line)
				}
			}
			name := strings.TrimSuffix(filepath.Base(page), ".gz")
			name = strings.TrimSuffix(name, filepath.Ext(name))
			if said := run(t, "lexgrog", page); !strings.Contains(said, `"`+name+` - `) {
				t.Errorf("whatis would not find %s: %s", name, said)
			}
		}
	}
}

// find lists the files with an ending below a folder of a package.
func find(t *testing.T, dir, ending, below string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, below), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ending) {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestScripts: the maintainer scripts are ones that dash can read, and that no
// other shell is needed for.
func TestScripts(t *testing.T) {
	for _, p := range built(t, "deb") {
		dir := t.TempDir()
		run(t, "dpkg-deb", "-e", p.path, dir)
		for _, s := range []string{"postinst", "prerm", "postrm"} {
			path := filepath.Join(dir, s)
			run(t, "dash", "-n", path)
			if b, _ := os.ReadFile(path); !bytes.HasPrefix(b, []byte("#!/bin/sh\nset -e\n")) {
				t.Errorf("%s, %s begins otherwise", p.name, s)
			}
		}
	}
	for _, p := range built(t, "rpm") {
		for _, s := range []string{"POSTIN", "PREUN", "POSTUN"} {
			path := filepath.Join(t.TempDir(), s)
			if err := os.WriteFile(path, []byte(run(t, "rpm", "-qp", "--qf", "%{"+s+"}", p.path)), 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, "dash", "-n", path)
		}
	}
}

// TestLintian: Debian's own checker finds nothing that is not overridden with a
// reason.
func TestLintian(t *testing.T) {
	if _, err := exec.LookPath("lintian"); err != nil {
		t.Skip("there is no lintian")
	}
	for _, p := range built(t, "deb") {
		cmd := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", "--no-cfg", p.path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(p.path), err, out)
		}
	}
}
