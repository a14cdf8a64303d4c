package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// stage is where everything of one architecture is put before it is packed.
type stage struct {
	version, arch string
	bin, out      string // folders: with the programs, to fill
	md2man        string // the program
	at            time.Time
	root          string // of the module
	maintainer    string
}

func stageCommand(args []string) (string, error) {
	s := &stage{maintainer: os.Getenv("MAINTAINER")}
	if s.maintainer == "" {
		s.maintainer = "openped maintainers <maintainers@openped.invalid>"
	}
	set := flag.NewFlagSet("stage", flag.ContinueOnError)
	set.StringVar(&s.version, "version", "", "of the packages")
	set.StringVar(&s.arch, "arch", "amd64", "amd64 or arm64")
	set.StringVar(&s.bin, "bin", "", "the folder with the programs")
	set.StringVar(&s.md2man, "md2man", "", "the program go-md2man")
	set.StringVar(&s.out, "out", "", "the folder to fill")
	if err := set.Parse(args); err != nil {
		return "", err
	}
	if s.version == "" || s.bin == "" || s.md2man == "" || s.out == "" || set.NArg() > 0 {
		return "", errUsage
	}
	var err error
	if s.at, err = epoch(); err != nil {
		return "", err
	}
	if s.root, err = moduleRoot(); err != nil {
		return "", err
	}
	for i := range packs {
		if err := s.pack(&packs[i]); err != nil {
			return "", fmt.Errorf("%s: %w", packs[i].name, err)
		}
	}
	return "", nil
}

// epoch is the time that everything is of.
func epoch() (time.Time, error) {
	n, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return time.Time{}, errors.New("SOURCE_DATE_EPOCH is not set to a time in seconds")
	}
	return time.Unix(n, 0).UTC(), nil
}

// pack makes the files of a package and its plans, PKG.deb.json and PKG.rpm.json.
func (s *stage) pack(p *pack) error {
	n, err := s.needs(p)
	if err != nil {
		return err
	}
	parts, err := notices(build{goos: "linux", goarch: s.arch, usb: n.usb}, p.programs())
	if err != nil {
		return err
	}
	made := map[string][]byte{}
	if p.conf != "" {
		sample := docDir + p.name + "/examples/" + p.conf
		made["/etc/"+p.conf] = []byte(firstConfig(daemons[p.prog], sample))
		made[sample] = []byte(defaultConfig(daemons[p.prog]))
	}
	if err := s.manuals(p, made); err != nil {
		return err
	}
	if err := s.changes(p, made); err != nil {
		return err
	}
	for _, format := range formats {
		l := s.plan(p, n, format)
		if err := s.fill(p, n, l, format, made, parts); err != nil {
			return err
		}
		b, err := json.MarshalIndent(l, "", " ")
		if err != nil {
			return err
		}
		if _, err := s.write(p.name+"."+format+".json", b); err != nil {
			return err
		}
	}
	return nil
}

// fill puts the files into a plan: the programs, what stands in the sources, what
// was made, and what only this format has.
func (s *stage) fill(p *pack, n needs, l *plan, format string, made map[string][]byte, parts []part) error {
	for _, prog := range p.programs() {
		l.add("/usr/bin/"+prog, filepath.Join(s.bin, prog), 0o755, "")
	}
	for _, f := range append([]copied{
		{"dist/systemd/" + p.prog + ".service", "/usr/lib/systemd/system/" + p.prog + ".service"},
		{"dist/sysusers/" + p.name + ".conf", "/usr/lib/sysusers.d/" + p.name + ".conf"},
		{"docs/guide-install.md", docDir + p.name + "/guide-install.md"},
	}, p.extra...) {
		l.add(f.to, s.source(f.from), 0o644, kindOf(f.to))
	}
	all := maps.Clone(made)
	completions(p, format, all)
	var err error
	if all[docDir+p.name+"/copyright"], err = copyright(p, parts, format); err != nil {
		return err
	}
	if format == "deb" {
		all["/usr/share/lintian/overrides/"+p.name] = []byte(lintianOverrides(p, n))
	}
	for to, b := range all {
		from, err := s.write(p.name+"/"+format+"/root"+to, b)
		if err != nil {
			return err
		}
		l.add(to, from, 0o644, kindOf(to))
	}
	return s.scripts(p, format, l)
}

// kindOf tells what an administrator may change, and an upgrade then leaves.
func kindOf(path string) string {
	if strings.HasPrefix(path, "/etc/") {
		return "config|noreplace"
	}
	return ""
}

func (s *stage) source(path string) string { return filepath.Join(s.root, filepath.FromSlash(path)) }

// write puts a file into the stage and returns where.
func (s *stage) write(name string, b []byte) (string, error) {
	path := filepath.Join(s.out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, b, 0o644)
}

// packed is gzip at its best, without name and time, as Debian wants it.
func packed(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func (s *stage) manuals(p *pack, made map[string][]byte) error {
	for _, m := range manual {
		if m.pkg != p.name {
			continue
		}
		text, err := s.man(m)
		if err != nil {
			return err
		}
		made[fmt.Sprintf("/usr/share/man/man%d/%s.%d.gz", m.section, m.name, m.section)] = packed(text)
	}
	return nil
}

// man runs the page through go-md2man.
func (s *stage) man(m page) ([]byte, error) {
	md, err := manMarkdown(s.root, m, s.version, s.at)
	if err != nil {
		return nil, err
	}
	var out, stderr bytes.Buffer
	cmd := exec.Command(s.md2man)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(md), &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go-md2man: %w: %s", err, stderr.String())
	}
	return []byte(finish(out.String())), nil
}
