package main

import (
	"path/filepath"
	"slices"
	"strings"
)

// plan is what nfpm reads: its YAML, of which JSON is a part.
type plan struct {
	Name          string               `json:"name"`
	Arch          string               `json:"arch"`
	Platform      string               `json:"platform"`
	Version       string               `json:"version"`
	VersionSchema string               `json:"version_schema"`
	Section       string               `json:"section"`
	Priority      string               `json:"priority"`
	Maintainer    string               `json:"maintainer"`
	Description   string               `json:"description"`
	Vendor        string               `json:"vendor"`
	License       string               `json:"license"`
	MTime         string               `json:"mtime"`
	Globbing      bool                 `json:"disable_globbing"`
	Contents      []content            `json:"contents"`
	Overrides     map[string]overrides `json:"overrides"`
	Deb           deb                  `json:"deb"`
	RPM           rpm                  `json:"rpm"`
}

type content struct {
	Src      string   `json:"src"`
	Dst      string   `json:"dst"`
	Type     string   `json:"type,omitempty"`
	Packager string   `json:"packager,omitempty"`
	Info     fileInfo `json:"file_info"`
}

type fileInfo struct {
	Owner string `json:"owner"`
	Group string `json:"group"`
	Mode  int    `json:"mode"`
	MTime string `json:"mtime"`
}

type overrides struct {
	Depends  []string          `json:"depends,omitempty"`
	Suggests []string          `json:"suggests,omitempty"`
	Scripts  map[string]string `json:"scripts,omitempty"`
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

// plan is the package without its files.
func (s *stage) plan(p *pack, n needs) *plan {
	return &plan{
		Name: p.name, Arch: s.arch, Platform: "linux", Version: s.version, VersionSchema: "none",
		Section: "admin", Priority: "optional", Maintainer: s.maintainer, Vendor: "openped",
		Description: p.summary + "\n" + strings.Join(p.text, "\n\n"),
		License:     "unstated", MTime: s.at.Format(nfpmTime), Globbing: true,
		Overrides: map[string]overrides{
			"deb": {Depends: n.deb, Suggests: p.suggests},
			"rpm": {Depends: n.rpm, Suggests: p.suggests},
		},
		Deb: deb{Compression: "xz", Fields: map[string]string{"Source": "openped"}},
		RPM: rpm{BuildHost: "localhost", Summary: p.summary, Compression: "xz", Group: "System Environment/Daemons"},
	}
}

// add puts a file into the plan, in the order of names.
func (p *plan) add(dst, src string, mode int, kind string) {
	c := content{Src: filepath.ToSlash(src), Dst: dst, Type: kind, Info: fileInfo{Owner: "root", Group: "root", Mode: mode, MTime: p.MTime}}
	i, _ := slices.BinarySearchFunc(p.Contents, dst, func(c content, dst string) int { return strings.Compare(c.Dst, dst) })
	p.Contents = slices.Insert(p.Contents, i, c)
}
