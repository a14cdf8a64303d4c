package packages

import (
	"os"
	"testing"

	"openped/internal/service"
	pedclient "openped/pedclient/cli"
	pedserver "openped/pedserver/cli"
	softped "openped/softped/cli"
)

// TestUnits: the definitions that packages bring are those that the programs make
// themselves with -service install.
func TestUnits(t *testing.T) {
	for _, k := range []service.Kind{pedserver.Program.Service, pedclient.Program.Service, softped.Kind} {
		s := service.Spec{Kind: k, Name: k.Program, Path: "/usr/bin/" + k.Program}
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		definition(t, "../../dist/systemd/"+k.Program+".service", s.Unit())
		definition(t, "../../dist/sysusers/openped-"+k.Program+".conf", s.Sysusers())
		s.Path = "/usr/local/bin/" + k.Program
		definition(t, "../../dist/launchd/"+service.Label(k.Program)+".plist", s.Plist())
	}
}

// definition compares a file with what it should be.
func definition(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s (%v) is not what the program makes; go test ./test/packages -run Units -update writes it:\n%s", path, err, want)
	}
}
