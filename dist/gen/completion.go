package main

import (
	"fmt"
	"strings"
)

// shells are those that are served, with the place of a program's file.
var shells = map[string]struct {
	write func(*grammar) string
	path  string
}{
	"bash": {bash, "/usr/share/bash-completion/completions/%s"},
	"zsh":  {zsh, "/usr/share/zsh/vendor-completions/_%s"},
	"fish": {fish, "/usr/share/fish/vendor_completions.d/%s.fish"},
}

// zshRed is where zsh looks on Red Hat.
const zshRed = "/usr/share/zsh/site-functions/_%s"

func completionCommand(args []string) (string, error) {
	if len(args) != 2 {
		return "", errUsage
	}
	shell, ok := shells[args[0]]
	g := grammars()[args[1]]
	if !ok || g == nil {
		return "", errUsage
	}
	return shell.write(g), nil
}

// completions makes the files of a package's programs for all shells.
func completions(p *pack, format string, made map[string][]byte) {
	all := grammars()
	for _, prog := range p.programs() {
		for name, shell := range shells {
			path := shell.path
			if name == "zsh" && format == "rpm" {
				path = zshRed
			}
			made[fmt.Sprintf(path, prog)] = []byte(shell.write(all[prog]))
		}
	}
}

// quote makes one word of text for any of the shells.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// patterns joins words as alternatives of a case.
func patterns(list []string) string {
	quoted := make([]string, len(list))
	for i, w := range list {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " | ")
}

// topPattern is every spelling of a top-level option, in small letters and with one
// dash or none.
func topPattern(t top) string {
	list := []string{"-" + t.name, t.name}
	if t.short != "" {
		list = append(list, "-"+t.short)
	}
	return patterns(list)
}
