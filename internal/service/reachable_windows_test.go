package service

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

// TestReachable: a service's program is one that only administrators change.
func TestReachable(t *testing.T) {
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil {
		t.Skip("Wine does not pass access lists on")
	}
	system, err := windows.GetSystemDirectory()
	if err != nil {
		t.Fatal(err)
	}
	if err := reachable(filepath.Join(system, "cmd.exe")); err != nil {
		t.Error(err)
	}
	if reachable(filepath.Join(system, "no-such-program.exe")) == nil {
		t.Error("a program that is not there was taken")
	}
	own := filepath.Join(t.TempDir(), "pedx.exe")
	if err := os.WriteFile(own, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if users, _ := windows.KnownFolderPath(windows.FOLDERID_UserProfiles, windows.KF_FLAG_DEFAULT); below(own, users) && reachable(own) == nil {
		t.Error("a program in a user's folder was taken")
	}
	if !windows.GetCurrentProcessToken().IsElevated() {
		if os.Getenv("CI") != "" {
			t.Fatal("run this as an administrator")
		}
		t.Skip("only administrators can put a program beside the system's")
	}
	dir := filepath.Join(os.Getenv("ProgramFiles"), "openped test")
	upper := filepath.Join(dir, "upper")
	bin := filepath.Join(upper, "bin")
	exe := filepath.Join(bin, "pedx.exe")
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	base := append(winacl.Private(winacl.Administrators), winacl.Entry{SID: winacl.Users, Rights: winacl.Read})
	for _, d := range []string{dir, upper, bin} {
		if err := winacl.Set(d, base...); err != nil {
			t.Fatal(err)
		}
	}
	if err := reachable(exe); err != nil {
		t.Error(err)
	}
	for d, rights := range map[string]uint32{bin: winacl.Read | 0x2, upper: winacl.Read | 0x40, dir: winacl.Modify} {
		if err := winacl.Set(d, append(base, winacl.Entry{SID: winacl.Users, Rights: rights})...); err != nil {
			t.Fatal(err)
		}
		if reachable(exe) == nil {
			t.Errorf("a program was taken though users have %#x in %s", rights, d)
		}
		if err := winacl.Set(d, base...); err != nil {
			t.Fatal(err)
		}
	}
}
