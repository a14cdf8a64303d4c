package service_test

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"openped/internal/service"
)

var update = flag.Bool("update", false, "write the definitions instead of comparing them")

// plain is a service without special needs, as packages have it.
func plain() service.Spec {
	return service.Spec{Name: "pedx", Path: "/usr/bin/pedx", Kind: service.Kind{Program: "pedx", Description: "PEDx, a daemon", Manual: "pedx(8)",
		RunFlags: []string{"-mode", "start", "-foreground"}}}
}

// TestUnits compares the units of every sort of service with the files beside
// this test. The programs' own are compared with what packages ship elsewhere.
func TestUnits(t *testing.T) {
	all := map[string]func(*service.Spec){
		"plain":  func(*service.Spec) {},
		"second": func(s *service.Spec) { s.Name, s.Args = "desk2", []string{"-configfile", "/srv/desk2.conf"} },
		"usb":    func(s *service.Spec) { s.USB, s.Groups, s.Reload = true, []string{"openped"}, true },
		"network": func(s *service.Spec) {
			s.Network, s.Shared, s.Environment = true, true, "/etc/default/pedx"
		},
		"board": func(s *service.Spec) { s.Controller, s.Args = "fe980000.usb", []string{"-gadget", "fe980000.usb"} },
	}
	for name, change := range all {
		s := plain()
		change(&s)
		if err := s.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		golden(t, name+".service", s.Unit())
	}
	golden(t, "plain.plist", plain().Plist())
	s := plain()
	s.Groups = []string{"openped"}
	golden(t, "plain.sysusers", s.Sysusers())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s is not as it was (%v); -update writes it anew:\n%s", path, err, got)
	}
}

// TestCheck: nothing that a unit would read as something else gets into one.
func TestCheck(t *testing.T) {
	words := []string{"", "a\nExecStartPre=/bin/sh", `a"b`}
	if runtime.GOOS != "windows" { // where these have no meaning, and paths have some of them
		words = append(words, "a b", "a'b", "%h", "$HOME", "a;b", `a\b`)
	}
	for _, word := range words {
		s := plain()
		s.Args = []string{word}
		if s.Check() == nil {
			t.Errorf("%q was taken", word)
		}
		s = plain()
		s.Path = "/opt/" + word
		if word != "" && s.Check() == nil {
			t.Errorf("path with %q was taken", word)
		}
	}
	s := plain()
	s.Name = "../x"
	if s.Check() == nil {
		t.Error("a name with slashes was taken")
	}
}

// TestHardened: every service has the walls that none may lack.
func TestHardened(t *testing.T) {
	for _, line := range []string{"NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=\n", "SystemCallFilter=", "RestrictAddressFamilies=",
		"MemoryDenyWriteExecute=yes", "Type=notify", "WatchdogSec=", "Restart=on-failure", "TimeoutStopSec=", "LimitCORE=0", "User=pedx", "StateDirectory=openped/pedx"} {
		if !strings.Contains(plain().Unit(), line) {
			t.Errorf("no %s", line)
		}
	}
	if u := plain().Unit(); strings.Contains(u, "DeviceAllow") || !strings.Contains(u, "PrivateDevices=yes") {
		t.Error("a service without USB may open devices")
	}
}
