package hsmcm

import (
	"regexp"
	"strings"
)

// Described is a command, or a flag that stands before one, for those who write
// about them.
type Described struct {
	Name, Summary string
	Flags         []DescribedFlag
}

// DescribedFlag is a flag of a command.
type DescribedFlag struct{ Name, Value, Summary string }

// Describe lists the commands of the console with their flags.
func Describe() (list []Described) {
	for _, c := range commands {
		d := Described{Name: c.name, Summary: c.summary}
		for _, f := range new(options).flags() {
			if c.takes(f.Name) {
				d.Flags = append(d.Flags, DescribedFlag{f.Name, f.Value, flagSummary(f.Name)})
			}
		}
		list = append(list, d)
	}
	return list
}

var flagLine = regexp.MustCompile(`^-\S+(?: <[^>]+>)?\s+(.*)`)

// flagSummary is the first line of a flag's help.
func flagSummary(name string) string {
	for _, f := range flagHelp {
		if m := flagLine.FindStringSubmatch(f.text); f.name == name && m != nil {
			return strings.TrimRight(m[1], ";:")
		}
	}
	return ""
}
