package main

import (
	"path/filepath"
	"slices"
	"strings"
)

// plan is what nfpm reads: its YAML, of which JSON is a part.
type plan struct {
	Name          string            `json:"name"`
	Arch          string            `json:"arch"`
	Platform      string            `json:"platform"`
	Version       string            `json:"version"`
	VersionSchema string            `json:"version_schema"`
	Section       string            `json:"section"`
	Priority      string            `json:"priority"`
	Maintainer    string            `json:"maintainer"`
	Description   string            `json:"description"`
	Vendor        string            `json:"vendor"`
	License       string            `json:"license,omitempty"`
	MTime         string            `json:"mtime"`
	Globbing      bool              `json:"disable_globbing"`
	Contents      []content         `json:"contents"`
	Depends       []string          `json:"depends"`
	Suggests      []string          `json:"suggests,omitempty"`
	Scripts       map[string]string `json:"scripts"`
	Deb           deb               `json:"deb"`
	RPM           rpm               `json:"rpm"`
}

type content struct {
	Src  string   `json:"src"`
	Dst  string   `json:"dst"`
	Type string   `json:"type,omitempty"`
	Info fileInfo `json:"file_info"`
}

type fileInfo struct {
	Owner string `json:"owner"`
	Group string `json:"group"`
	Mode  int    `json:"mode"`
	MTime string `json:"mtime"`
}

type deb struct {
	Compression string            `json:"compression"`
	Fields      map[string]string `json:"fields"`
}

type rpm struct {
	BuildHost   string `json:"buildhost"`
	Summary     string `json:"summary"`
	Compression string `json:"compression"`
	Group       string `json:"group"`
}

const nfpmTime = "2006-01-02T15:04:05Z07:00"

// formats are the two kinds of packages.
var formats = []string{"deb", "rpm"}

// plan is the package in one format without its files.
func (s *stage) plan(p *pack, n needs, format string) *plan {
	l := &plan{
		Name: p.name, Arch: s.arch, Platform: "linux", Version: s.version, VersionSchema: "none",
		Section: "admin", Priority: "optional", Maintainer: s.maintainer, Vendor: "openped",
		Description: p.summary + "\n" + p.description(), MTime: s.at.Format(nfpmTime), Globbing: true,
		Depends: n.deb, Suggests: p.suggests, Scripts: map[string]string{},
		Deb: deb{Compression: "xz", Fields: map[string]string{"Source": "openped"}},
		RPM: rpm{BuildHost: "localhost", Summary: p.summary, Compression: "xz", Group: "System Environment/Daemons"},
	}
	if format == "rpm" {
		// RPM wants a word for it. What is true stands in the file copyright.
		l.Depends, l.License, l.Description = n.rpm, "unstated", p.description()
	}
	return l
}

// description is the paragraphs in lines as both formats show them.
func (p *pack) description() string {
	var lines []string
	for i, t := range p.text {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, wrap(t, 76)...)
	}
	return strings.Join(lines, "\n")
}

// add puts a file into the plan, in the order of names.
func (p *plan) add(dst, src string, mode int, kind string) {
	c := content{Src: filepath.ToSlash(src), Dst: dst, Type: kind, Info: fileInfo{Owner: "root", Group: "root", Mode: mode, MTime: p.MTime}}
	i, _ := slices.BinarySearchFunc(p.Contents, dst, func(c content, dst string) int { return strings.Compare(c.Dst, dst) })
	p.Contents = slices.Insert(p.Contents, i, c)
}
