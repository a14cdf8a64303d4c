package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"openped/internal/conffile"
	"openped/internal/setting"
)

// TestConfig: the default file says nothing; with its lines taken out of their
// comments it still changes nothing; and each setting has one.
func TestConfig(t *testing.T) {
	for name, p := range daemons {
		text := defaultConfig(p)
		if v := load(t, p.Table, p.Sections, text); len(given(v)) > 0 {
			t.Errorf("%s: as it comes it sets %q", name, given(v))
		}
		line := regexp.MustCompile(`(?m)^   #(\w+ = )`)
		v := load(t, p.Table, p.Sections, line.ReplaceAllString(text, "   $1"))
		plain := setting.New(p.Table)
		keys := 0
		for _, s := range p.Table {
			if s.Key == "" {
				continue
			}
			keys++
			if !regexp.MustCompile(`(?m)^   #` + s.Key + ` = `).MatchString(text) {
				t.Errorf("%s: no line for %s", name, s.Key)
			}
			if v.Text(s.Name) != plain.Text(s.Name) {
				t.Errorf("%s: %s: the line says %q, the program %q", name, s.Key, v.Text(s.Name), plain.Text(s.Name))
			}
		}
		if n := len(line.FindAllString(text, -1)); n != keys || keys < 20 {
			t.Errorf("%s: %d lines for %d settings", name, n, keys)
		}
		for l := range strings.Lines(text) {
			if len([]rune(l)) > 81 || strings.TrimRight(l, " \n") != strings.TrimSuffix(l, "\n") {
				t.Errorf("%s: %q", name, l)
			}
		}
	}
}

// TestFirstConfig: the file that packages bring says nothing, and takes a setting.
func TestFirstConfig(t *testing.T) {
	for name, p := range daemons {
		text := firstConfig(p, "/sample")
		if v := load(t, p.Table, p.Sections, text); len(given(v)) > 0 {
			t.Errorf("%s: as it comes it sets %q", name, given(v))
		}
		changed := strings.Replace(text, "= {\n", "= {\n   LogTrace = 1;\n", 1)
		if v := load(t, p.Table, p.Sections, changed); v.Text("logtrace") != "1" {
			t.Errorf("%s: a setting between the braces is not taken", name)
		}
	}
}

func load(t *testing.T, table setting.Table, sections []string, text string) *setting.Values {
	t.Helper()
	f, err := conffile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v := setting.New(table)
	if unknown, err := v.LoadFile(f, "/etc/x.conf", sections...); err != nil || len(unknown) > 0 {
		t.Fatal(unknown, err)
	}
	return v
}

// given returns what does not come from the defaults.
func given(v *setting.Values) (names []string) {
	for _, e := range v.All() {
		if e.Origin != "default" {
			names = append(names, e.Name)
		}
	}
	return names
}

// TestWindows: what is made for Windows has its ends of lines.
func TestWindows(t *testing.T) {
	text, err := configCommand([]string{"-goos", "windows", "pedclient"})
	if err != nil || strings.Count(text, "\n") != strings.Count(text, "\r\n") || strings.Count(text, "\r\n") < 20 {
		t.Errorf("%v %q", err, text[:min(len(text), 80)])
	}
	f, err := conffile.Parse([]byte(text))
	if err != nil || f == nil {
		t.Error(err)
	}
}

// TestChrystoki: the sample is one that the daemons can read, and names their files.
func TestChrystoki(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "examples", "Chrystoki.conf"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := conffile.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range daemons {
		path := ""
		for _, s := range p.Sections {
			if v, _, ok := f.Get(s, "PedConfigFile"); ok {
				path = v
			}
		}
		if path != "/etc/"+p.ConfigName {
			t.Errorf("%s: %q", name, path)
		}
	}
}
