package main

import (
	"fmt"
	"strings"
)

// bash is the completion for bash, whose words end at ":" and "=" too.
func bash(g *grammar) string {
	var b strings.Builder
	f := "_openped_" + g.prog
	fmt.Fprintf(&b, "# bash completion for %s(8), made from its own tables\n\n", g.prog)

	fmt.Fprintf(&b, "# what comes next after the words of a command\n%s_next() {\n\tcase $1 in\n", f)
	for _, s := range g.states {
		var texts []string
		for _, c := range s.offer {
			texts = append(texts, c.text)
		}
		fmt.Fprintf(&b, "\t%s) echo %s ;;\n", quote(s.words), quote(strings.Join(texts, " ")))
	}
	fmt.Fprintf(&b, "\t*) return 1 ;;\n\tesac\n}\n\n")

	fmt.Fprintf(&b, "%s() {\n", f)
	b.WriteString(`	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} scheme='' at='' skip='' i w
	COMPREPLY=()
	[[ $cur == = ]] && cur=''
	[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	if [[ $cur == : ]]; then
		cur='' scheme=$prev prev=${COMP_WORDS[COMP_CWORD - 2]}
	elif [[ $prev == : ]]; then
		scheme=${COMP_WORDS[COMP_CWORD - 2]} prev=${COMP_WORDS[COMP_CWORD - 3]}
	fi
	[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 4]}
	for ((i = 1; i < COMP_CWORD; i++)); do
		w=${COMP_WORDS[i],,}
		[[ $w == --?* ]] && w=${w#-}
		if [[ $w == [=:] ]]; then
			skip=1
			continue
		elif [[ $skip ]]; then
			skip=''
			continue
		fi
		case $w in
`)
	for _, t := range g.tops {
		fmt.Fprintf(&b, "\t\t%s) [[ $at ]] || at=%s ;;\n", topPattern(t), quote(t.name))
	}
	fmt.Fprintf(&b, "\t\t%s) skip=1 ;;\n\t\t-*) ;;\n", patterns(g.allValues()))
	fmt.Fprintf(&b, "\t\t*) %s_next \"${at:+$at }$w\" >/dev/null && at=${at:+$at }$w ;;\n\t\tesac\n\tdone\n", f)
	b.WriteString("\tw=${prev,,}\n\t[[ $w == --?* ]] && w=${w#-}\n\tcase $w in\n")
	if list := g.flagsOf(file); len(list) > 0 {
		fmt.Fprintf(&b, "\t%s)\n\t\tcompopt -o filenames\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n\t\treturn\n\t\t;;\n", patterns(list))
	}
	if list := g.flagsOf(folder); len(list) > 0 {
		fmt.Fprintf(&b, "\t%s)\n\t\tcompopt -o filenames\n\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n\t\treturn\n\t\t;;\n", patterns(list))
	}
	for _, o := range []struct {
		what  offerOf
		offer string
	}{{device, "usb usb: unix:"}, {socket, "unix:"}} {
		if list := g.flagsOf(o.what); len(list) > 0 {
			fmt.Fprintf(&b, `	%s)
		if [[ ${scheme,,} == unix ]]; then
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		elif [[ ! $scheme ]]; then
			compopt -o nospace
			mapfile -t COMPREPLY < <(compgen -W '%s' -- "$cur")
		fi
		return
		;;
`, patterns(list), o.offer)
		}
	}
	for _, v := range g.values {
		if v.what == words {
			fmt.Fprintf(&b, "\t%s)\n\t\tmapfile -t COMPREPLY < <(compgen -W %s -- \"$cur\")\n\t\treturn\n\t\t;;\n", quote("-"+v.flag), quote(strings.Join(v.words, " ")))
		}
	}
	if list := g.flagsOf(anything); len(list) > 0 {
		fmt.Fprintf(&b, "\t%s) return ;;\n", patterns(list))
	}
	fmt.Fprintf(&b, "\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$(%s_next \"$at\")\" -- \"$cur\")\n}\n\ncomplete -F %s %s\n", f, f, g.prog)
	return b.String()
}
