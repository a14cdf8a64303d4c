package main

import (
	"fmt"
	"slices"
	"strings"
)

// fish is the completion for fish.
func fish(g *grammar) string {
	var b strings.Builder
	f := "__openped_" + g.prog
	fmt.Fprintf(&b, "# fish completion for %s, made from its own tables\n\n", g.prog)
	fmt.Fprintf(&b, "# the words of the command so far\nfunction %s_at\n", f)
	b.WriteString(`    set -l at
    set -l skip
    for w in (commandline -opc)[2..-1]
        set w (string lower -- $w | string replace -r '^--(?=.)' -)
        if test -n "$skip"
            set skip
            continue
        end
        switch $w
`)
	for _, t := range g.tops {
		fmt.Fprintf(&b, "            case %s\n                test -n \"$at\"; or set at %s\n", strings.ReplaceAll(topPattern(t), " | ", " "), quote(t.name))
	}
	if list := g.allValues(); len(list) > 0 {
		fmt.Fprintf(&b, "            case %s\n                set skip 1\n", strings.ReplaceAll(patterns(list), " | ", " "))
	}
	fmt.Fprintf(&b, `            case '-*'
            case '*'
                set -l longer (string trim -- "$at $w")
                contains -- $longer %s
                and set at $longer
        end
    end
    echo $at
end

# is: the command so far is one of these
function %s_is
    contains -- (%s_at) $argv
end

complete -c %s -f
`, strings.ReplaceAll(patterns(g.known()), " | ", " "), f, f, g.prog)
	// A flag with a value is told apart from one without, whatever the command.
	type flag struct {
		name, about string
		at          []string
	}
	var flags []*flag
	for _, s := range g.states {
		for _, c := range s.offer {
			if name, ok := strings.CutPrefix(c.text, "-"); ok && !slices.ContainsFunc(g.tops, func(t top) bool { return t.name == name }) {
				i := slices.IndexFunc(flags, func(f *flag) bool { return f.name == name })
				if i < 0 {
					i = len(flags)
					flags = append(flags, &flag{name: name, about: c.about})
				}
				flags[i].at = append(flags[i].at, s.words)
				continue
			}
			if name, ok := strings.CutPrefix(c.text, "-"); ok {
				var words []string
				for _, w := range g.at(name) {
					if !strings.HasPrefix(w.text, "-") {
						words = append(words, w.text)
					}
				}
				value := ""
				if len(words) > 0 {
					value = " -x -a " + quote(strings.Join(words, " "))
				}
				fmt.Fprintf(&b, "complete -c %s -n \"%s_is '' %s\" -o %s%s%s\n", g.prog, f, quote(name), name, value, about(c))
				continue
			}
			fmt.Fprintf(&b, "complete -c %s -n \"%s_is %s\" -a %s%s\n", g.prog, f, quote(s.words), c.text, about(c))
		}
	}
	for _, fl := range flags {
		var at []string
		for _, a := range fl.at {
			at = append(at, quote(a))
		}
		fmt.Fprintf(&b, "complete -c %s -n \"%s_is %s\" -o %s%s%s\n", g.prog, f, strings.Join(at, " "), fl.name, g.fishValue(fl.name), about(candidate{about: fl.about}))
	}
	return b.String()
}

func about(c candidate) string {
	if c.about == "" {
		return ""
	}
	return " -d " + quote(strings.ReplaceAll(c.about, "\\", ""))
}

func (g *grammar) at(words string) []candidate {
	for _, s := range g.states {
		if s.words == words {
			return s.offer
		}
	}
	return nil
}

// fishValue is how fish completes what follows a flag.
func (g *grammar) fishValue(name string) string {
	i := slices.IndexFunc(g.values, func(v value) bool { return v.flag == name })
	if i < 0 {
		return ""
	}
	const unix = "unix:(__fish_complete_path (string replace -r '^unix:' '' -- (commandline -ct)))"
	switch v := g.values[i]; v.what {
	case words:
		return " -x -a " + quote(strings.Join(v.words, " "))
	case file:
		return " -r -F"
	case folder:
		return " -x -a \"(__fish_complete_directories (commandline -ct))\""
	case device:
		return " -x -a \"usb usb: " + unix + "\""
	case socket:
		return " -x -a \"" + unix + "\""
	}
	return " -x"
}
