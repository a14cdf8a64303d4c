package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestGrammar: what is offered is what the tables have.
func TestGrammar(t *testing.T) {
	for name, p := range daemons {
		g := grammars()[name]
		for _, c := range p.Commands {
			line := strings.TrimSpace(c.Top + " " + c.Word)
			if g.at(line) == nil {
				t.Errorf("%s: nothing is offered after %s", name, line)
			}
			for _, need := range c.Need {
				if !slices.ContainsFunc(g.at(line), func(c candidate) bool { return c.text == "-"+need }) {
					t.Errorf("%s: %s needs -%s, which is not offered", name, line, need)
				}
			}
		}
		for _, s := range p.Table {
			i := slices.IndexFunc(g.values, func(v value) bool { return v.flag == s.Name })
			if (i >= 0) != (s.Value != "") {
				t.Errorf("%s: -%s has a value: %v", name, s.Name, s.Value != "")
			}
		}
	}
	for _, c := range []struct{ prog, at, want string }{
		{"pedserver", "", "-mode"}, {"pedserver", "mode", "release"}, {"pedserver", "mode start", "-peddevice"},
		{"pedclient", "mode createhsm", "-origin"}, {"pedclient", "pedserver", "register"}, {"pedclient", "regen", "-commonname"},
		{"hsmcm", "", "audit"}, {"hsmcm", "ped vector", "init"}, {"hsmcm", "role login", "-name"}, {"softped", "", "-face"},
	} {
		if !slices.ContainsFunc(grammars()[c.prog].at(c.at), func(o candidate) bool { return o.text == c.want }) {
			t.Errorf("%s: %s is not offered after %q", c.prog, c.want, c.at)
		}
	}
}

// TestShells: the shells that are there can read their files, and each file is the
// same every time.
func TestShells(t *testing.T) {
	for name, shell := range shells {
		for prog, g := range grammars() {
			text := shell.write(g)
			if again := shell.write(grammars()[prog]); again != text {
				t.Errorf("%s, %s: another file the second time", name, prog)
			}
			if _, err := exec.LookPath(name); err != nil {
				continue
			}
			cmd := exec.Command(name, "-n", "/dev/stdin")
			cmd.Stdin = strings.NewReader(text)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s, %s: %v\n%s", name, prog, err, out)
			}
		}
	}
}
