package rundir

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestServiceName(t *testing.T) {
	for name, ok := range map[string]bool{
		"pedserver": true, "desk-2": true, "A_1": true, strings.Repeat("a", 40): true,
		"": false, "-x": false, "a/b": false, "..": false, "a b": false, "ä": false, "a@b": false, "a%b": false, `a\b`: false, strings.Repeat("a", 41): false,
	} {
		if err := CheckServiceName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := Service(name); (err == nil) != ok {
			t.Errorf("Service(%q): %v", name, err)
		}
	}
}

// TestService: each service has folders of its own, and no two configuration
// files are one.
func TestService(t *testing.T) {
	one, err := Service("pedserver")
	if err != nil {
		t.Fatal(err)
	}
	two, err := Service("desk2")
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{one.Run, two.Run}, {one.State, two.State}, {one.Data, two.Data}} {
		if pair[0] == pair[1] || filepath.Base(filepath.Dir(pair[0])) != "openped" && filepath.Base(filepath.Dir(filepath.Dir(pair[0]))) != "openped" {
			t.Errorf("%v", pair)
		}
	}
	if got := one.ServiceConfigFile("pedserver", "pedServer.conf"); got != filepath.Join(one.Config, "pedServer.conf") {
		t.Error(got)
	}
	if got := two.ServiceConfigFile("pedserver", "pedServer.conf"); got != filepath.Join(one.Config, "openped-desk2.conf") {
		t.Error(got)
	}
	if one.Service != "pedserver" {
		t.Errorf("%+v", one)
	}
}
