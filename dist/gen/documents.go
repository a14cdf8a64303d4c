package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// documents makes what stands in /usr/share/doc/PKG: whose the package is, and
// what has changed.
func (s *stage) documents(p *pack, n needs, made map[string][]byte) error {
	parts, err := notices(build{goos: "linux", goarch: s.arch, usb: n.usb}, p.programs())
	if err != nil {
		return err
	}
	made[docDir+p.name+"/copyright"] = []byte(copyright(p, parts))
	changes, err := os.ReadFile(s.source("CHANGELOG.md"))
	if err != nil {
		return err
	}
	made[docDir+p.name+"/changelog.gz"] = packed([]byte(s.debianChangelog(string(changes))))
	return nil
}

// copyright says whose the package is, as far as that has been said.
func copyright(p *pack, parts []part) string {
	var b strings.Builder
	fmt.Fprintf(&b, `%s is built from the sources of openped.

The sources name no licence of openped's own: without one, its authors have all
rights. What follows are the licences of what is linked into the programs of this
package, as each came with its sources.
`, p.name)
	if slices.ContainsFunc(parts, func(p part) bool { return p.name == libusbName }) {
		b.WriteString("\nOn Debian systems the text of the GNU Lesser General Public License, version 2.1,\n" +
			"is in /usr/share/common-licenses/LGPL-2.1.\n")
	}
	writeParts(&b, parts)
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
