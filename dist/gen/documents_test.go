package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNotices: Go, the modules and libusb are there with their licences.
func TestNotices(t *testing.T) {
	parts, err := notices(build{goos: "linux", goarch: "amd64", usb: true}, []string{"pedserver"})
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, p := range parts {
		has[strings.Fields(p.name)[0]] = true
		if len(p.licences) == 0 {
			t.Errorf("%s has no licence", p.name)
		}
	}
	for _, want := range []string{"the", "libusb", "github.com/google/gousb", "github.com/prometheus/client_golang", "golang.org/x/sys"} {
		if !has[want] {
			t.Errorf("nothing of %s", want)
		}
	}
	if has["github.com/rogpeppe/go-internal"] {
		t.Error("a notice of what only the tests use")
	}
	for format, want := range map[string]string{"deb": "/usr/share/common-licenses/LGPL-2.1", "rpm": "GNU LESSER GENERAL PUBLIC LICENSE"} {
		text, err := copyright(&packs[0], parts, format)
		if err != nil || !strings.Contains(string(text), want) || !strings.Contains(string(text), "name no licence") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// TestNoLicence: what has none can not be passed on.
func TestNoLicence(t *testing.T) {
	dir := t.TempDir()
	p := part{name: "example.org/x v1.0.0"}
	if err := p.add(dir, ""); !errors.Is(err, errNoLicence) {
		t.Error(err)
	}
	for name, text := range map[string]string{"license.go": "package x", "LICENSE": " \n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.add(dir, ""); err == nil {
		t.Error("an empty licence was taken for one")
	}
}

// TestWindowsNotices: a release for Windows brings libusb along, and so all of its
// licence.
func TestWindowsNotices(t *testing.T) {
	text, err := noticesCommand([]string{"-goos", "windows", "-usb", "pedserver", "hsmcm"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"GNU LESSER GENERAL PUBLIC LICENSE\r\n", "END OF TERMS AND CONDITIONS", "github.com/google/gousb"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestDebianChangelog(t *testing.T) {
	s := &stage{version: "1.2.3", maintainer: "x <x@example.org>", at: time.Unix(1000000000, 0).UTC()}
	got := s.debianChangelog("# Changelog\n\n## Unreleased\n\n- One `a`,\n  goes on.\n- Two.\n\n## 1.2.2 2026-01-01\n\n- Three.\n")
	want := "openped (1.2.3) unstable; urgency=medium\n\n  * One a, goes on.\n  * Two.\n\n -- x <x@example.org>  Sun, 09 Sep 2001 01:46:40 +0000\n\n" +
		"openped (1.2.2) unstable; urgency=medium\n\n  * Three.\n\n -- x <x@example.org>  Sun, 09 Sep 2001 01:46:40 +0000\n"
	if got != want {
		t.Errorf("%q\n%q", got, want)
	}
}

// TestScripts: every maintainer script is one that dash, or the shell there is, can read.
func TestScripts(t *testing.T) {
	sh := "dash"
	if _, err := exec.LookPath(sh); err != nil {
		sh = "sh"
	}
	s := &stage{root: "../.."}
	for i := range packs {
		for format, list := range events {
			for event, parts := range list {
				text, err := s.script(&packs[i], parts)
				if err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(sh, "-n")
				cmd.Stdin = strings.NewReader(text)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s, %s, %s: %v\n%s", packs[i].name, format, event, err, out)
				}
			}
		}
	}
}

func TestNewestLibc(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string
	}{{"GLIBC_2.2.5 GLIBC_2.34 GLIBC_2.4 GLIBC_2.17", "2.34"}, {"GLIBC_2.9 GLIBC_3.0", "3.0"}, {"", ""}, {"GLIBC_PRIVATE", ""}} {
		if got := newestLibc(strings.Fields(c.in)); got != c.want {
			t.Errorf("%q: %q", c.in, got)
		}
	}
}
