package main

import (
	"fmt"
	"os"
	"strings"
)

// events are the maintainer scripts: what nfpm calls them, and what they are made of.
var events = map[string]map[string][]string{
	"deb": {"postinstall": {"lib", "deb.postinst"}, "preremove": {"lib", "deb.prerm"}, "postremove": {"lib", "purge", "deb.postrm"}},
	"rpm": {"postinstall": {"lib", "rpm.post"}, "preremove": {"lib", "rpm.preun"}, "postremove": {"lib", "rpm.postun"}},
}

// scripts puts the maintainer scripts together: who the package is, then the
// functions that all share, then what this event does.
func (s *stage) scripts(p *pack, format string, l *plan) error {
	for event, parts := range events[format] {
		text, err := s.script(p, parts)
		if err != nil {
			return err
		}
		if l.Scripts[event], err = s.write(p.name+"/"+format+"/"+event, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) script(p *pack, parts []string) (string, error) {
	enable, conf := "no", ""
	if p.enable {
		enable = "yes"
	}
	if p.conf != "" {
		conf = "/etc/" + p.conf
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\nset -e\n\nPKG=%s\nPROG=%s\nUNIT=%s.service\nCONF=%s\nENABLE=%s\n", p.name, p.prog, p.prog, conf, enable)
	for _, part := range parts {
		text, err := os.ReadFile(s.source("dist/scripts/" + part + ".sh"))
		if err != nil {
			return "", err
		}
		b.WriteString("\n" + string(text))
	}
	return b.String(), nil
}
