package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func noticesCommand(args []string) (string, error) {
	set := flag.NewFlagSet("notices", flag.ContinueOnError)
	goos := set.String("goos", "linux", "the system that the programs are for")
	goarch := set.String("goarch", "amd64", "and its processor")
	usb := set.Bool("usb", false, "they were built with USB")
	if err := set.Parse(args); err != nil {
		return "", err
	}
	if set.NArg() == 0 {
		return "", errUsage
	}
	b := build{goos: *goos, goarch: *goarch, usb: *usb}
	parts, err := notices(b, set.Args())
	if err != nil {
		return "", err
	}
	if parts, err = withLGPL(parts); err != nil {
		return "", err
	}
	return endings(noticesText(set.Args(), parts), *goos), nil
}

// build is what a program was built for.
type build struct {
	goos, goarch string
	usb          bool
}

// env makes the Go command see the same packages as the build did.
func (b build) env() []string {
	cgo := "0"
	if b.usb {
		cgo = "1"
	}
	return append(os.Environ(), "GOOS="+b.goos, "GOARCH="+b.goarch, "CGO_ENABLED="+cgo, "GOFLAGS=-buildvcs=false")
}

// part is something that is linked, with the licences that stand beside it.
type part struct {
	name     string
	licences []licence
}

type licence struct{ file, text string }

// licenceNames begin the names of the files that have to go along.
var licenceNames = []string{"LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "PATENTS"}

var errNoLicence = errors.New("has no licence file")

// notices returns what is linked into the programs: Go itself, the modules, and
// libusb. That a module has no licence is an error: it could not be passed on.
func notices(b build, progs []string) ([]part, error) {
	root, err := output(b, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	version, err := output(b, "go", "env", "GOVERSION")
	if err != nil {
		return nil, err
	}
	goPart := part{name: "the Go standard library, " + strings.TrimSpace(version)}
	if err := goPart.add(strings.TrimSpace(root), ""); err != nil {
		return nil, err
	}
	list := []string{"list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}"}
	for _, p := range progs {
		list = append(list, "openped/cmd/"+p)
	}
	out, err := output(b, "go", list...)
	if err != nil {
		return nil, err
	}
	modules := map[string]*part{}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			continue
		}
		m := modules[f[0]]
		if m == nil {
			m = &part{name: f[0] + " " + f[1]}
			modules[f[0]] = m
			if err := m.add(f[2], ""); err != nil {
				return nil, err
			}
		}
		// A package may have been taken over from elsewhere, with its own.
		for dir := f[3]; len(dir) > len(f[2]); dir = filepath.Dir(dir) {
			rel, err := filepath.Rel(f[2], dir)
			if err != nil {
				return nil, err
			}
			if err := m.add(dir, filepath.ToSlash(rel)+"/"); err != nil && !errors.Is(err, errNoLicence) {
				return nil, err
			}
		}
	}
	parts := []part{goPart}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		parts = append(parts, *modules[path])
	}
	if b.usb {
		parts = append(parts, part{name: libusbName, licences: []licence{{text: libusbNotice}}})
	}
	return parts, nil
}

// add takes the licences that stand in dir.
func (p *part) add(dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if !e.Type().IsRegular() || strings.HasSuffix(name, ".GO") ||
			!slices.ContainsFunc(licenceNames, func(n string) bool { return strings.HasPrefix(name, n) }) {
			continue
		}
		found = true
		l := licence{file: prefix + e.Name()}
		if slices.ContainsFunc(p.licences, func(o licence) bool { return o.file == l.file }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		l.text = strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
		if l.text == "" {
			return fmt.Errorf("%s: %s is empty", p.name, l.file)
		}
		p.licences = append(p.licences, l)
	}
	if !found {
		return fmt.Errorf("%s: %w", p.name, errNoLicence)
	}
	return nil
}

const libusbName = "libusb 1.0"

// libusbNotice is the notice that libusb's files begin with. It is the same for the
// system's library, which is linked on Linux, and for a DLL that comes along.
const libusbNotice = `libusb is used, as a library of its own that can be replaced by another version.

Copyright © 2001 Johannes Erdfelt <johannes@erdfelt.com>
Copyright © 2007-2009 Daniel Drake <dsd@gentoo.org>
Copyright © 2010-2012 Peter Stuge <peter@stuge.se>
Copyright © 2008-2016 Nathan Hjelm <hjelmn@users.sourceforge.net>
Copyright © 2009-2013 Pete Batard <pete@akeo.ie>
Copyright © 2009-2013 Ludovic Rousseau <ludovic.rousseau@gmail.com>
Copyright © 2010-2012 Michael Plante <michael.plante@gmail.com>
Copyright © 2011-2013 Hans de Goede <hdegoede@redhat.com>
Copyright © 2012-2013 Martin Pieuchot <mpi@openbsd.org>
Copyright © 2012-2013 Toby Gray <toby.gray@realvnc.com>
Copyright © 2013-2018 Chris Dickens <christopher.a.dickens@gmail.com>

This library is free software; you can redistribute it and/or modify it under the
terms of the GNU Lesser General Public License as published by the Free Software
Foundation; either version 2.1 of the License, or (at your option) any later
version. This library is distributed in the hope that it will be useful, but
WITHOUT ANY WARRANTY; without even the implied warranty of MERCHANTABILITY or
FITNESS FOR A PARTICULAR PURPOSE. See the GNU Lesser General Public License for
more details.`

// withLGPL adds the whole text of libusb's licence, for systems that have none.
func withLGPL(parts []part) ([]part, error) {
	for i, p := range parts {
		if p.name != libusbName {
			continue
		}
		root, err := moduleRoot()
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(filepath.Join(root, "dist", "licences", "LGPL-2.1.txt"))
		if err != nil {
			return nil, err
		}
		parts = slices.Clone(parts)
		parts[i].licences = append(slices.Clone(p.licences), licence{"LGPL-2.1.txt", strings.TrimSpace(string(text))})
	}
	return parts, nil
}

// noticesText is the file of notices where there is no other form for it.
func noticesText(progs []string, parts []part) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: notices of what is linked into it\n", strings.Join(progs, ", "))
	writeParts(&b, parts)
	return b.String()
}

func writeParts(b *strings.Builder, parts []part) {
	for _, p := range parts {
		fmt.Fprintf(b, "\n%s\n%s\n", strings.Repeat("=", 78), p.name)
		for _, l := range p.licences {
			b.WriteString(strings.Repeat("-", 78) + "\n")
			if l.file != "" {
				fmt.Fprintf(b, "%s:\n\n", l.file)
			}
			b.WriteString(l.text + "\n")
		}
	}
}

func output(b build, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	if name == "go" && os.Getenv("GO") != "" {
		cmd = exec.Command(os.Getenv("GO"), args...)
	}
	var stderr strings.Builder
	cmd.Env, cmd.Stderr = b.env(), &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

func moduleRoot() (string, error) {
	mod, err := output(build{goos: "linux", goarch: "amd64"}, "go", "env", "GOMOD")
	return filepath.Dir(strings.TrimSpace(mod)), err
}
