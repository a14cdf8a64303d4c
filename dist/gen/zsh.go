package main

import (
	"fmt"
	"strings"
)

// zsh is the completion for zsh, which shows what each word means.
func zsh(g *grammar) string {
	var b strings.Builder
	f := "_openped_" + g.prog
	fmt.Fprintf(&b, "#compdef %s\n# zsh completion for %s, made from its own tables\n\n", g.prog, g.prog)

	fmt.Fprintf(&b, "# what comes next after the words of a command\n%s_next() {\n  case $1 in\n", f)
	for _, s := range g.states {
		fmt.Fprintf(&b, "    (%s)\n      next=(\n", quote(s.words))
		for _, c := range s.offer {
			entry := c.text
			if c.about != "" {
				entry += ":" + c.about
			}
			fmt.Fprintf(&b, "        %s\n", quote(entry))
		}
		b.WriteString("      ) ;;\n")
	}
	b.WriteString("    (*) return 1 ;;\n  esac\n}\n\n")

	fmt.Fprintf(&b, "_%s() {\n", g.prog)
	b.WriteString(`  local at= skip= w i
  local -a next
  for ((i = 2; i < CURRENT; i++)); do
    w=${(L)words[i]}
    [[ $w == --?* ]] && w=${w#-}
    if [[ -n $skip ]]; then
      skip=
      continue
    fi
    case $w in
`)
	for _, t := range g.tops {
		fmt.Fprintf(&b, "      (%s) [[ -n $at ]] || at=%s ;;\n", topPattern(t), quote(t.name))
	}
	fmt.Fprintf(&b, "      (%s) skip=1 ;;\n      (-*) ;;\n", patterns(g.allValues()))
	fmt.Fprintf(&b, "      (*) %s_next \"${at:+$at }$w\" && at=\"${at:+$at }$w\" ;;\n    esac\n  done\n", f)
	b.WriteString("  w=${(L)words[CURRENT-1]}\n  [[ $w == --?* ]] && w=${w#-}\n  (( CURRENT > 2 )) || w=\n  case $w in\n")
	if list := g.flagsOf(file); len(list) > 0 {
		fmt.Fprintf(&b, "    (%s) _files; return ;;\n", patterns(list))
	}
	if list := g.flagsOf(folder); len(list) > 0 {
		fmt.Fprintf(&b, "    (%s) _files -/; return ;;\n", patterns(list))
	}
	if list := g.flagsOf(device); len(list) > 0 {
		fmt.Fprintf(&b, "    (%s)\n      if compset -P 'unix:'; then _files; else compadd usb; compadd -S '' usb: unix:; fi\n      return ;;\n", patterns(list))
	}
	if list := g.flagsOf(socket); len(list) > 0 {
		fmt.Fprintf(&b, "    (%s)\n      if compset -P 'unix:'; then _files; else compadd -S '' unix:; fi\n      return ;;\n", patterns(list))
	}
	for _, v := range g.values {
		if v.what == words {
			fmt.Fprintf(&b, "    (%s) compadd %s; return ;;\n", quote("-"+v.flag), strings.Join(v.words, " "))
		}
	}
	if list := g.flagsOf(anything); len(list) > 0 {
		fmt.Fprintf(&b, "    (%s) _message value; return ;;\n", patterns(list))
	}
	fmt.Fprintf(&b, "  esac\n  next=()\n  %s_next \"$at\" && _describe %s next\n}\n\n_%s \"$@\"\n", f, quote(g.prog), g.prog)
	return b.String()
}
