package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"openped/internal/cmdline"
	"openped/test/lab"
)

const (
	byMSI       = `C:\Program Files\openped`
	environment = `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`
	eventSource = `HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\`
	services    = `HKLM\SYSTEM\CurrentControlSet\Services\`
	products    = `HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall`
)

// install runs Windows' installer.
func install(t *testing.T, s *lab.Stage, args ...string) {
	t.Helper()
	log := s.Path("msi.log")
	out, err := s.Run("msiexec", append(args, "/qn", "/l*v", guest(log))...)
	if err != nil {
		b, _ := os.ReadFile(log)
		t.Fatalf("msiexec %s: %v\n%s%s", strings.Join(args, " "), err, out, strings.ReplaceAll(string(b), "\x00", ""))
	}
}

// files are the names below a folder of the prefix.
func files(folder string) (names []string) {
	_ = filepath.WalkDir(host(folder), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(host(folder), path)
			names = append(names, rel)
		}
		return nil
	})
	return names
}

// quiet stops the service and waits for the end of its process: Wine's installer
// does not, and then leaves what it runs.
func quiet(t *testing.T, s *lab.Stage) {
	t.Helper()
	says(t, s, 0, "stopped", "pedserver", "-service", "stop")
	must(t, lab.Poll(20*time.Second, "the end of the service's process", func() error {
		if pid := processOf("pedserver.exe"); pid != "" {
			return fmt.Errorf("process %s is there", pid)
		}
		return nil
	}))
}

// processOf finds a process of the prefix that runs a program, as this side sees it;
// "" if there is none.
func processOf(program string) string {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, line := range lines {
		b, err := os.ReadFile(line)
		if err != nil || !strings.Contains(string(b), program) {
			continue
		}
		dir := filepath.Dir(line)
		if env, err := os.ReadFile(dir + "/environ"); err == nil && strings.Contains(string(env), "WINEPREFIX="+winePrefix) {
			return filepath.Base(dir)
		}
	}
	return ""
}

// newer is a copy of the package with a newer version.
func newer(t *testing.T, msi string) string {
	t.Helper()
	dir := t.TempDir()
	b, err := os.ReadFile(msi)
	must(t, err)
	path, table := filepath.Join(dir, "newer.msi"), filepath.Join(dir, "Upgrade.idt")
	must(t, os.WriteFile(path, b, 0o600))
	const version = "99.0.0"
	must(t, os.WriteFile(table, []byte(strings.ReplaceAll(run(t, "msiinfo", "export", path, "Upgrade"), cmdline.Version, version)), 0o600))
	run(t, "msibuild", path, "-i", table)
	set := func(property, value string) string {
		return fmt.Sprintf("UPDATE `Property` SET `Value` = '%s' WHERE `Property` = '%s'", value, property)
	}
	run(t, "msibuild", path, "-q", set("ProductVersion", version), set("ProductCode", "{11111111-2222-3333-4444-555555555555}"),
		"UPDATE `Registry` SET `Value` = '"+version+"' WHERE `Name` = 'Version'")
	run(t, "msibuild", path, "-s", "newer", "openped", "x64;1033", "{11111111-2222-3333-4444-555555555556}")
	return path
}

// TestMSI: installed, changed by people, replaced by a newer version, removed.
func TestMSI(t *testing.T) {
	msi := packageFile("amd64", ".msi")
	if !lab.Exists(msi) {
		t.Fatalf("there is no %s", msi)
	}
	t.Cleanup(func() { _ = os.RemoveAll(host(data)) })
	plain := desk(t, byMSI) // the programs are not there yet
	// Windows has many sources of events. Wine has none, and its installer takes away
	// what they are in with the last.
	says(t, plain, 0, "", "reg", "add", eventSource+"somebody", "/f")
	// Its service is to keep off what this computer's pedserver may have.
	must(t, os.MkdirAll(host(data), 0o755))
	must(t, os.WriteFile(host(data+`\pedServer.conf`), []byte("PedServer = {\r\n IP = 127.0.0.1;\r\n Port = "+freePort(t)+";\r\n}\r\n"), 0o644))
	install(t, plain, "/i", guest(msi))
	s := desk(t, byMSI)
	if b, err := os.ReadFile(host(data + `\pedClient.conf`)); err != nil || !strings.Contains(string(b), "PedClient = {") {
		t.Errorf("no configuration file was installed: %v", err)
	}

	for _, name := range []string{"pedserver.exe", "pedclient.exe", "hsmcm.exe", "libusb-1.0.dll", "NOTICES.txt", "README.txt", `docs\guide-windows.md`} {
		if !lab.Exists(host(byMSI + `\` + name)) {
			t.Errorf("%s was not installed", name)
		}
	}
	if lab.Exists(host(byMSI + `\softped.exe`)) {
		t.Error("softped was installed, which nobody has asked for")
	}
	for _, dir := range []string{`\pedserver\run`, `\pedserver\log`, `\pedclient\run`} {
		if !lab.Exists(host(data + dir)) {
			t.Errorf("no folder %s", dir)
		}
	}
	says(t, s, 0, "RUNNING", "sc", "query", "pedserver")
	if processOf("pedserver.exe") == "" {
		t.Error("the service has no process that this side sees")
	}
	says(t, s, 0, "STOPPED", "sc", "query", "pedclient")
	says(t, s, 0, "0x2", "reg", "query", services+"pedserver", "/v", "Start")
	says(t, s, 0, "0x3", "reg", "query", services+"pedclient", "/v", "Start")
	says(t, s, 0, `NT SERVICE\pedserver`, "reg", "query", services+"pedserver", "/v", "ObjectName")
	says(t, s, 0, `"`+byMSI+`\pedserver.exe" -mode start -winservice`, "reg", "query", services+"pedserver", "/v", "ImagePath")
	says(t, s, 0, byMSI, "reg", "query", environment, "/v", "PATH")
	says(t, s, 0, "EventCreate.exe", "reg", "query", eventSource+"pedclient")
	says(t, s, 0, "Service:                  pedserver", "pedserver", "-mode", "show")
	// What is shipped opens PEDs on cables; there is none here.
	if out := says(t, s, 0, "", "pedserver", "-mode", "show"); strings.Contains(out, "built without USB") {
		t.Error(out)
	}

	conf := host(data + `\pedServer.conf`)
	before, err := os.ReadFile(conf)
	must(t, err)
	must(t, os.WriteFile(conf, append(before, "// mine\r\n"...), 0o644))
	mine := func() bool { b, _ := os.ReadFile(conf); return strings.HasSuffix(string(b), "// mine\r\n") }

	quiet(t, s)
	next := newer(t, msi)
	install(t, s, "/i", guest(next))
	says(t, s, 0, "99.0.0", "reg", "query", `HKLM\Software\openped`)
	if all := says(t, s, 0, "{11111111-2222-3333-4444-555555555555}", "reg", "query", products); strings.Count(all, "{") != 1 {
		t.Errorf("the older version is there still:\n%s", all)
	}
	says(t, s, 0, "RUNNING", "sc", "query", "pedserver")
	if !mine() {
		t.Error("an upgrade has overwritten the configuration")
	}
	if out, err := s.Run("msiexec", "/i", guest(msi), "/qn"); err == nil {
		t.Errorf("an older version has replaced a newer one: %s", out)
	}

	quiet(t, s)
	install(t, s, "/x", guest(next))
	if left := files(byMSI); left != nil {
		t.Errorf("left behind: %q", left)
	}
	for _, key := range []string{services + "pedserver", services + "pedclient", eventSource + "pedserver", eventSource + "pedclient", `HKLM\Software\openped`} {
		if out, err := s.Run("reg", "query", key); err == nil {
			t.Errorf("left behind: %s", out)
		}
	}
	if out := says(t, s, 0, "PATH", "reg", "query", environment, "/v", "PATH"); strings.Contains(out, "openped") {
		t.Errorf("left behind: %s", out)
	}
	if !mine() {
		t.Error("the configuration is gone")
	}
}

// TestFeatures: what was chosen is installed, where it was said, and nothing else.
func TestFeatures(t *testing.T) {
	const folder = `C:\PED`
	msi := packageFile("amd64", ".msi")
	s := desk(t, folder)
	says(t, s, 0, "", "reg", "add", eventSource+"somebody", "/f")
	install(t, s, "/i", guest(msi), "ADDLOCAL=SoftPED", "INSTALLDIR="+folder)
	for name, there := range map[string]bool{"softped.exe": true, "NOTICES.txt": true, "pedserver.exe": false, "pedclient.exe": false, "hsmcm.exe": false, "libusb-1.0.dll": false} {
		if lab.Exists(host(folder+`\`+name)) != there {
			t.Errorf("%s: it is there: %v", name, !there)
		}
	}
	for _, name := range []string{"pedserver", "pedclient"} {
		if out, err := s.Run("reg", "query", services+name); err == nil {
			t.Errorf("a service that nobody has chosen: %s", out)
		}
	}
	if left := files(data); left != nil {
		t.Errorf("configuration of nothing: %q", left)
	}
	install(t, s, "/x", guest(msi))
	if left := files(folder); left != nil {
		t.Errorf("left behind: %q", left)
	}
}
