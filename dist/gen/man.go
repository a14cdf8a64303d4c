package main

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// page is a page of the manual: one of docs/cli under the name that man knows.
type page struct {
	name    string
	section int
	file    string // in docs/cli
	pkg     string // that has it
	title   string // where the first line of the file is not one
}

func (p page) ref() string { return fmt.Sprintf("**%s**(%d)", p.name, p.section) }

// manual is every page. The return codes are in two packages, which may both be
// there and then need names of their own.
var manual = []page{
	{name: "pedserver", section: 8, file: "pedserver.md", pkg: "openped-pedserver"},
	{name: "openped-return-codes", section: 7, file: "return-codes.md", pkg: "openped-pedserver", title: "return codes of pedserver and pedclient"},
	{name: "pedclient", section: 8, file: "pedclient.md", pkg: "openped-pedclient"},
	{name: "hsmcm", section: 1, file: "hsmcm.md", pkg: "openped-pedclient"},
	{name: "pedclient-return-codes", section: 7, file: "return-codes.md", pkg: "openped-pedclient", title: "return codes of pedserver and pedclient"},
	{name: "softped", section: 8, file: "softped.md", pkg: "openped-softped"},
}

// findPage returns the page made of a file, the one of that package if it has one.
func findPage(file, pkg string) *page {
	var found *page
	for i, p := range manual {
		if p.file == file && (found == nil || p.pkg == pkg) {
			found = &manual[i]
		}
	}
	return found
}

func manCommand(args []string) (string, error) {
	set := flag.NewFlagSet("man", flag.ContinueOnError)
	md2man := set.String("md2man", "", "the program go-md2man")
	if err := set.Parse(args); err != nil {
		return "", err
	}
	p := findPage(set.Arg(0), "")
	if p == nil || *md2man == "" || set.NArg() != 1 {
		return "", errUsage
	}
	at, err := epoch()
	if err != nil {
		return "", err
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	text, err := (&stage{root: root, at: at, md2man: *md2man}).man(*p)
	return string(text), err
}

// manMarkdown is the page as go-md2man takes it: sections of a manual instead of a
// document's, lists instead of tables, which have no room in a terminal, and
// references instead of links.
func manMarkdown(root string, p page, version string, at time.Time) (string, error) {
	b, err := os.ReadFile(filepath.Join(root, "docs", "cli", p.file))
	if err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%% %s %d %q %q %q\n\n", strings.ToUpper(p.name), p.section, at.Format("January 2006"), strings.TrimSpace("openped "+version), "openped")
	intro := true     // up to the first section: synopsis, then description
	sections := false // past the description
	for i, bl := range blocks(string(b)) {
		switch {
		case i == 0:
			_, title, found := strings.Cut(bl.text, ": ")
			if p.title != "" {
				title, found = p.title, true
			}
			if bl.kind != heading || !found {
				return "", fmt.Errorf("%s does not begin with a line like \"# %s: what it is\"", p.file, p.name)
			}
			fmt.Fprintf(&out, "# NAME\n\n%s - %s\n\n", p.name, title)
		case i == 1 && bl.kind == code:
			fmt.Fprintf(&out, "# SYNOPSIS\n\n%s\n\n# DESCRIPTION\n\n", fold(bl.text))
			intro = false
		case bl.kind == heading:
			out.WriteString(manHeading(bl.text) + "\n\n")
			intro, sections = false, true
		case bl.kind == code:
			out.WriteString(fold(bl.text) + "\n\n")
		default:
			if intro {
				out.WriteString("# DESCRIPTION\n\n")
				intro = false
			}
			text := bl.text
			if bl.kind == table {
				if strings.HasPrefix(text, "| flag ") && !sections {
					out.WriteString("# OPTIONS\n\n")
				}
				if text, err = definitions(text); err != nil {
					return "", fmt.Errorf("%s: %w", p.file, err)
				}
			}
			out.WriteString(references(text, p.pkg) + "\n\n")
		}
	}
	out.WriteString(seeAlso(p))
	return out.String(), nil
}

// manHeading makes a section of "## Title", and a part of one of "### Title".
func manHeading(line string) string {
	marks, title, _ := strings.Cut(line, " ")
	title = strings.ReplaceAll(title, "`", "")
	if len(marks) <= 2 {
		return "# " + strings.ToUpper(title)
	}
	return "## " + title
}

var link = regexp.MustCompile(`\[([^\]]+)\]\(([^)\s]+)\)`)

// references turns links into what a reader of a manual can follow.
func references(text, pkg string) string {
	return link.ReplaceAllStringFunc(text, func(s string) string {
		m := link.FindStringSubmatch(s)
		words, target, _ := strings.Cut(m[1]+"\x00"+m[2], "\x00")
		target, _, _ = strings.Cut(target, "#")
		p := findPage(path.Base(target), pkg)
		switch {
		case target == "": // on the same page
			return words
		case strings.Contains(target, "://"):
			return words + " (" + target + ")"
		case p != nil && strings.EqualFold(words, p.name):
			return p.ref()
		case p != nil:
			return words + " (" + p.ref() + ")"
		case strings.HasPrefix(path.Base(target), "guide-"):
			return words + " (" + docDir + guides[path.Base(target)] + "/" + path.Base(target) + ")"
		}
		return words
	})
}

// guides are the documents that come with a package.
var guides = map[string]string{"guide-usb-board.md": "openped-softped", "guide-install.md": "openped-*"}

func seeAlso(p page) string {
	var refs []string
	for _, o := range manual {
		codes := o.section == 7 && p.pkg == "openped-softped" // which has none
		if o.file != p.file && !codes && findPage(o.file, p.pkg).name == o.name {
			refs = append(refs, o.ref())
		}
	}
	return "# SEE ALSO\n\n" + strings.Join(refs, ", ") + "\n"
}
