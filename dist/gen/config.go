package main

import (
	"flag"
	"fmt"
	"strings"

	"openped/internal/daemon"
	"openped/internal/setting"
	pedclient "openped/pedclient/cli"
	pedserver "openped/pedserver/cli"
)

// daemons are the programs that have a table of settings.
var daemons = map[string]*daemon.Program{"pedserver": pedserver.Program, "pedclient": pedclient.Program}

func configCommand(args []string) (string, error) {
	set := flag.NewFlagSet("config", flag.ContinueOnError)
	goos := set.String("goos", "linux", "the system that the file is for")
	sample := set.String("sample", "", "where this file stands; then it is the one that is put where the program looks")
	if err := set.Parse(args); err != nil {
		return "", err
	}
	p := daemons[set.Arg(0)]
	if p == nil || set.NArg() != 1 {
		return "", errUsage
	}
	text := defaultConfig(p)
	if *sample != "" {
		text = firstConfig(p, *sample)
	}
	if *goos == "windows" { // which has no man
		text = strings.Replace(text, "The manual is\n# "+p.Name+"(8).", "The manual is\n# docs\\"+p.Name+".md beside the program.", 1)
	}
	return endings(text, *goos), nil
}

// endings gives the lines the ends that the system's editors want.
func endings(text, goos string) string {
	if goos == "windows" {
		return strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// firstConfig is the file that a package puts where the program looks. It says
// nothing, and hardly ever becomes another: an upgrade asks nobody which of two
// versions is to stay. What can be set stands in the sample.
func firstConfig(p *daemon.Program, sample string) string {
	return fmt.Sprintf(`# Settings of %[1]s. As long as none stands here the defaults count. All of
# them, with what they mean, are in
#
#   %[2]s
#
# To change one write it between the braces, or say
#
#   %[1]s -mode config -set %[3]s
#
# which changes this file and tells a running %[1]s. What counts, and where
# it comes from, is listed by %[1]s -mode config -show. The manual is
# %[1]s(8).

%[4]s = {
}
`, p.Name, sample, example(p), p.Sections[0])
}

// defaultConfig is a file that says nothing yet, with a commented line for each
// setting. Taking a "#" away changes nothing either: it is the default that
// stands there.
func defaultConfig(p *daemon.Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Settings of %[1]s. Each stands here with its default: to change one take
# away the "#" before it, or say
#
#   %[1]s -mode config -set -port 1600
#
# which changes this file and tells a running %[1]s. What counts, and where
# it comes from, is listed by %[1]s -mode config -show. The manual is
# %[1]s(8).
#
# Settings marked (live) are taken at a reload, others at the next start.
# Several values have commas between them. Relative paths begin at this file's
# folder.

%[2]s = {
`, p.Name, p.Sections[0])
	for _, s := range p.Table {
		if s.Key == "" {
			continue
		}
		for _, line := range wrap(describe(s), 74) {
			fmt.Fprintf(&b, "   # %s\n", line)
		}
		def := s.Default
		if def == "" && s.Kind == setting.Switch {
			def = "0"
		}
		fmt.Fprintf(&b, "   #%s = %s;\n\n", s.Key, def)
	}
	b.WriteString("}\n")
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), "\n\n}", "\n}"), "-set -port 1600", "-set "+example(p))
}

// example is a change that the program would take.
func example(p *daemon.Program) string {
	if p.Table.Find("port") != nil {
		return "-port 1600"
	}
	return "-idletimeout 3600"
}

// describe says of a setting what the help says.
func describe(s *setting.Setting) string {
	text := strings.ToUpper(s.Usage[:1]) + s.Usage[1:]
	var more []string
	switch r := s.Range(); {
	case s.Kind == setting.Switch:
		more = append(more, "0 or 1")
	case r != "":
		more = append(more, r)
	}
	if s.Default == "" && s.Kind != setting.Switch {
		more = append(more, "none unless set")
	}
	if s.Many {
		more = append(more, "several")
	}
	if s.Live {
		more = append(more, "live")
	}
	if len(more) > 0 {
		text += " (" + strings.Join(more, "; ") + ")"
	}
	return text
}

// wrap breaks text into lines of at most width characters.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
