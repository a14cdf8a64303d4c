package daemon

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/setting"
)

// help prints what fits a screen: about the program, or the command that about
// names. With "all" it prints every flag.
func (p *Program) help(w io.Writer, about []string) error {
	text := p.Help
	switch top := len(about) > 0 && p.isTop(about[0]); {
	case len(about) == 0:
	case len(about) == 1 && top: // "-regen -help"; "-appliance -help" is about the program
		if name, word, _, err := cmdline.Choose(about, p.tops()); err == nil {
			text = p.command(name, word).Help
		}
	case len(about) == 1 && about[0] == "all":
		text = "\nThe flags of all commands; each command takes each of them.\n\n" + FlagList(p.Table)
	case top:
		name, word, _, err := cmdline.Choose(about, p.tops())
		if err != nil {
			return err
		}
		text = p.command(name, word).Help
	default:
		c := p.command("mode", strings.ToLower(about[0]))
		if c == nil {
			return &cmdline.UsageError{Msg: "no help about " + cmdline.Printable(about[0]), Hint: "write -help, -help all, or -mode <mode> -help"}
		}
		text = c.Help
	}
	p.banner(w)
	_, err := io.WriteString(w, text)
	return err
}

func (p *Program) isTop(arg string) bool {
	arg, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
	return slices.ContainsFunc(p.tops(), func(t cmdline.Top) bool {
		return strings.EqualFold(arg, t.Name) || t.Short != "" && strings.EqualFold(arg, t.Short)
	})
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
