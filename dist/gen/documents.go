package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// changes is the list of changes as Debian wants it.
func (s *stage) changes(p *pack, made map[string][]byte) error {
	md, err := os.ReadFile(s.source("CHANGELOG.md"))
	if err != nil {
		return err
	}
	made[docDir+p.name+"/changelog.gz"] = packed([]byte(s.debianChangelog(string(md))))
	return nil
}

// copyright says whose the package is, as far as that has been said, and has the
// licences of what is linked. Debian has common ones at one place for all packages.
func copyright(p *pack, parts []part, format string) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `%s is built from the sources of openped.

The sources name no licence of openped's own: without one, its authors have all
rights. What follows are the licences of what is linked into the programs of this
package, as each came with its sources.
`, p.name)
	if format == "deb" {
		parts = common(parts)
	} else {
		var err error
		if parts, err = withLGPL(parts); err != nil {
			return nil, err
		}
	}
	writeParts(&b, parts)
	return []byte(b.String()), nil
}

// common replaces the texts that every Debian system has.
func common(parts []part) []part {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].licences = slices.Clone(parts[i].licences)
		for j, l := range parts[i].licences {
			head := strings.Join(strings.Fields(l.text[:min(len(l.text), 200)]), " ")
			if strings.HasPrefix(head, "Apache License Version 2.0") {
				parts[i].licences[j].text = "The Apache License, Version 2.0. On Debian systems its text is in\n/usr/share/common-licenses/Apache-2.0."
			}
		}
		if parts[i].name == libusbName {
			parts[i].licences = append(parts[i].licences, licence{text: "On Debian systems the text of the GNU Lesser General Public License, version 2.1,\nis in /usr/share/common-licenses/LGPL-2.1."})
		}
	}
	return parts
}

// lintianOverrides answers what Debian's checker asks about, with the reason.
func lintianOverrides(p *pack, n needs) string {
	var b strings.Builder
	for _, prog := range n.static {
		fmt.Fprintf(&b, "# Go without C: there is nothing that it could be linked with.\n%s: statically-linked-binary [usr/bin/%s]\n", p.name, prog)
	}
	fmt.Fprintf(&b, "# Further services, of \"-service install\", are no units of the package: which of\n"+
		"# them run has to be asked. What is started or restarted is so by deb-systemd-invoke.\n"+
		"%s: maintainer-script-calls-systemctl *\n", p.name)
	return b.String()
}

// debianChangelog turns CHANGELOG.md into the form of Debian's. What is not
// released yet is this version.
func (s *stage) debianChangelog(md string) string {
	type release struct {
		version string
		changes []string
	}
	var releases []release
	for line := range strings.Lines(md) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "## "):
			version, _, _ := strings.Cut(strings.TrimPrefix(line, "## "), " ")
			if version == "Unreleased" {
				version = s.version
			}
			releases = append(releases, release{version: version})
		case len(releases) == 0 || strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "- "):
			r := &releases[len(releases)-1]
			r.changes = append(r.changes, plain(line[2:]))
		default:
			if r := &releases[len(releases)-1]; len(r.changes) > 0 {
				r.changes[len(r.changes)-1] += " " + plain(strings.TrimSpace(line))
			}
		}
	}
	var b strings.Builder
	for _, r := range releases {
		fmt.Fprintf(&b, "openped (%s) unstable; urgency=medium\n\n", r.version)
		for _, c := range r.changes {
			for i, line := range wrap(c, 74) {
				b.WriteString([]string{"    ", "  * "}[map[bool]int{true: 1}[i == 0]] + line + "\n")
			}
		}
		fmt.Fprintf(&b, "\n -- %s  %s\n\n", s.maintainer, s.at.Format("Mon, 02 Jan 2006 15:04:05 +0000"))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// plain takes Markdown's marks out of a line.
func plain(s string) string { return strings.NewReplacer("`", "", "**", "").Replace(s) }
