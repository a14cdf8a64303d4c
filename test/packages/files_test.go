package packages

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
)

// TestFiles: every file with mode, owner and kind. Configuration is marked as such,
// so that an upgrade keeps what an administrator has changed.
func TestFiles(t *testing.T) {
	for _, p := range built(t, "deb") {
		t.Run(p.name+"."+p.arch, func(t *testing.T) {
			conffiles := strings.Fields(run(t, "sh", "-c", `dpkg-deb --ctrl-tarfile "$1" | tar xO ./conffiles 2>/dev/null || :`, "sh", p.path))
			var lines []string
			for line := range strings.Lines(run(t, "dpkg-deb", "-c", p.path)) {
				f := strings.Fields(line)
				path := strings.TrimPrefix(f[5], ".")
				kind := ""
				if slices.Contains(conffiles, path) {
					kind = " conffile"
				}
				if strings.HasSuffix(path, "/") {
					continue // standard folders only: see below
				}
				lines = append(lines, fmt.Sprintf("%s %s %s%s\n", f[0], f[1], path, kind))
			}
			check(t, p, lines)
		})
	}
	for _, p := range built(t, "rpm") {
		t.Run(p.name+"."+p.arch+".rpm", func(t *testing.T) {
			var lines []string
			for line := range strings.Lines(run(t, "rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES} %{FILEFLAGS:fflags}\n]", p.path)) {
				f := strings.Fields(line)
				kind := ""
				if len(f) > 3 {
					kind = map[string]string{"cn": " config(noreplace)"}[f[3]]
					if kind == "" {
						kind = " " + f[3]
					}
				}
				lines = append(lines, fmt.Sprintf("%s %s %s%s\n", f[0], f[1], f[2], kind))
			}
			check(t, p, lines)
		})
	}
}

func check(t *testing.T, p pack, lines []string) {
	t.Helper()
	sort.Slice(lines, func(i, j int) bool { return strings.Fields(lines[i])[2] < strings.Fields(lines[j])[2] })
	golden(t, p.name+"."+p.format+".files", strings.Join(lines, ""))
}

// TestNoFileTwice: packages that can be installed together share no file.
func TestNoFileTwice(t *testing.T) {
	owner := map[string]string{}
	for _, p := range built(t, "deb") {
		for line := range strings.Lines(run(t, "dpkg-deb", "-c", p.path)) {
			path := strings.Fields(line)[5]
			if strings.HasSuffix(path, "/") {
				continue
			}
			key := p.arch + " " + path
			if owner[key] != "" {
				t.Errorf("%s is in %s and %s", path, owner[key], p.name)
			}
			owner[key] = p.name
		}
	}
}

// TestControl: what a package says of itself and needs. The version and the size are
// left out.
func TestControl(t *testing.T) {
	for _, p := range built(t, "deb") {
		t.Run(p.name+"."+p.arch, func(t *testing.T) {
			var b strings.Builder
			for line := range strings.Lines(run(t, "dpkg-deb", "-f", p.path)) {
				switch name, value, _ := strings.Cut(line, ":"); name {
				case "Version", "Installed-Size":
				case "Architecture":
					if strings.TrimSpace(value) != p.arch {
						t.Errorf("it is for %s", value)
					}
				default:
					b.WriteString(line)
				}
			}
			b.WriteString("Scripts:")
			for _, f := range strings.Fields(run(t, "sh", "-c", `dpkg-deb --ctrl-tarfile "$1" | tar t | sort`, "sh", p.path)) {
				b.WriteString(" " + strings.TrimPrefix(f, "./"))
			}
			golden(t, p.name+".deb.control", b.String()+"\n")
		})
	}
	for _, p := range built(t, "rpm") {
		t.Run(p.name+"."+p.arch+".rpm", func(t *testing.T) {
			text := run(t, "rpm", "-qp", "--qf", "Name: %{NAME}\nRelease: %{RELEASE}\nLicense: %{LICENSE}\nPackager: %{PACKAGER}\nSummary: %{SUMMARY}\nBuildhost: %{BUILDHOST}\n[Requires: %{REQUIRES}\n]%{DESCRIPTION}\n"+
				"post: %{POSTINPROG}\npreun: %{PREUNPROG}\npostun: %{POSTUNPROG}\n", p.path)
			var b strings.Builder
			for line := range strings.Lines(text) {
				if !strings.HasPrefix(line, "Requires: libc.so.6(") { // those differ between processors
					b.WriteString(line)
				} else if p.name == "openped-softped" {
					t.Errorf("softped needs libc: %s", line)
				}
			}
			if p.name != "openped-softped" && !strings.Contains(text, "Requires: libc.so.6(GLIBC_2.34)(64bit)\n") {
				t.Errorf("no libc is needed:\n%s", text)
			}
			golden(t, p.name+".rpm.control", b.String())
		})
	}
}
