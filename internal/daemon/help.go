package daemon

import (
	"fmt"
	"io"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/setting"
)

// help prints what fits a screen: the program, or the command that about names.
// With "all" it prints every flag.
func (p *Program) help(w io.Writer, about []string) error {
	switch {
	case len(about) == 1 && about[0] == "all":
		p.banner(w)
		fmt.Fprintf(w, "\nThe flags of all commands; each command takes each of them.\n\n%s", FlagList(p.Table))
		return nil
	case len(about) == 0:
		p.banner(w)
		fmt.Fprint(w, p.Help)
		return nil
	}
	if c := p.about(about); c != nil {
		p.banner(w)
		fmt.Fprint(w, c.Help)
		return nil
	}
	// An option alone: "-appliance -help".
	if _, _, _, err := cmdline.Choose(append([]string{about[0]}, "\x00"), p.tops()); len(about) == 1 && err != nil && p.isTop(about[0]) {
		p.banner(w)
		fmt.Fprint(w, p.Help)
		return nil
	}
	return &cmdline.UsageError{Msg: "no help about " + cmdline.Printable(about[0]), Hint: "write -help, -help all, or -mode <mode> -help"}
}

// about finds the command that "-mode start", "mode start -ip", "start" mean.
func (p *Program) about(args []string) *Command {
	if top, word, _, err := cmdline.Choose(args, p.tops()); err == nil {
		return p.command(top, word)
	}
	return p.command("mode", strings.ToLower(args[0]))
}

func (p *Program) isTop(arg string) bool {
	for _, t := range p.tops() {
		if strings.EqualFold(strings.TrimLeft(arg, "-"), t.Name) {
			return true
		}
	}
	return false
}

// FlagList has a line for each flag: what it does, its range and its default.
func FlagList(t setting.Table) string {
	var b strings.Builder
	for _, s := range t {
		left := "-" + s.Name
		if s.Value != "" {
			left += " <" + s.Value + ">"
		}
		fmt.Fprintf(&b, "  %-34s %s\n", left, s.Usage)
		var more []string
		if r := s.Range(); r != "" && r != s.Value {
			more = append(more, r)
		}
		if s.Default != "" {
			more = append(more, "default "+s.Default)
		}
		if len(s.Aliases) > 0 {
			more = append(more, "also -"+strings.Join(s.Aliases, ", -"))
		}
		if len(more) > 0 {
			fmt.Fprintf(&b, "  %-34s (%s)\n", "", strings.Join(more, "; "))
		}
	}
	return b.String()
}
