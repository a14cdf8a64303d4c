package conffile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return f
}

func TestSampleFiles(t *testing.T) {
	type want struct {
		section, key, value string
		line                int
	}
	for path, wants := range map[string][]want{
		"testdata/Chrystoki.conf": {
			{"LunaSA Client", "ServerName00", "hsm-one.example", 22},
			{"lunasa client", "sslciphers", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384, ECDHE-ECDSA-AES128-GCM-SHA256, TLS_AES_256_GCM_SHA384", 24},
			{"LunaSA Client", "URL", "https://hsm-one.example/#status", 27},
			{"Luna", "PEDTimeout2", "200000", 11},
			{"Luna", "PEDTimeout3", "10000", 12},
			{"Secure Trusted Channel", "SoftTokenDir", "/opt/hsm/stc/token", 30},
			{"PedServer", "PedConfigFile", "/etc/pedServer-old.conf", 34},
			{"Ped Server", "PedConfigFile", "/etc/pedServer.conf", 45},
			{"Misc", "ProtectedAuthenticationPathFlagStatus", "0", 39},
		},
		"testdata/crystoki.ini": {
			{"Ped Server", "PedConfigFile", `C:\ProgramData\openped\pedServer.conf`, 10},
			{"Luna", "PEDTimeout2", "200000", 7},
			{"Misc", "ToolsDir", `C:\Program Files\HSM Client\`, 14},
		},
	} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(f.Bytes()) != string(b) {
			t.Errorf("%s is not kept as it is", path)
		}
		for _, w := range wants {
			if v, line, ok := f.Get(w.section, w.key); v != w.value || line != w.line || !ok {
				t.Errorf("%s %s: %q in line %d, %v", w.section, w.key, v, line, ok)
			}
		}
	}
	f, _ := Load("testdata/Chrystoki.conf")
	if s := f.Sections(); len(s) != 9 || s[7] != "Empty" || s[8] != "Ped Server" {
		t.Errorf("sections %q", s)
	}
	if k := f.Keys("luna"); !slices.Equal(k, []string{"DefaultTimeout", "PEDTimeout1", "PEDTimeout2", "PEDTimeout3"}) {
		t.Errorf("keys %q", k)
	}
}

// TestGet: what stands twice counts as it stands last; blanks, comments and line
// ends make no difference.
func TestGet(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"A = { k = 1; }", "1"},
		{"A={k=1;}", "1"},
		{"A={k=1}", "1"},
		{"A = { k = 1\n}", "1"},
		{"A = { k = 1 // one\n}", "1"},
		{"a =\n{\n K\t=  1  ;\n}\n;", "1"},
		{"\ufeffA = { k = 1; }", "1"},
		{"A = {\r\n k = 1;\r\n}\r\n", "1"},
		{"A = { k = 1; } A = { k = 2; }", "2"},
		{"A = { k = 1; k = 2; } B = { k = 3; }", "2"},
		{"A = { k = 1; } A = { j = 2; }", "1"},
		{"A = { k = a,\n b,\n\n c; }", "a, b, c"},
		{"A = { k = a, // one\n # two\n b; }", "a, b"},
		{"A = { k = a//b#c; }", "a//b#c"},
		{"A = { k = ; }", ""},
		{"A = { k = x=y z; }", "x=y z"},
		{"A = { k = cn=a,\n  o=b; }", "cn=a, o=b"},
		{"# [x]\n// A\nA = { k = 1; }", "1"},
		{"A = { k = 1;; ; }", "1"},
		{"[A]\nk=1", "1"},
		{"; c\n[A] ; d\n k = 1 ; 2 \r\n", "1 ; 2"},
		{"[B]\nk=2\n[A]\nk=\n", ""},
		{"[A]\nk=1\n[B]\nk=2\n[a]\nK=3\n", "3"},
	} {
		f := parse(t, c.text)
		if v, _, ok := f.Get("A", "k"); v != c.want || !ok {
			t.Errorf("%q: %q %v", c.text, v, ok)
		}
		if string(f.Bytes()) != c.text {
			t.Errorf("%q became %q", c.text, f.Bytes())
		}
	}
	if _, _, ok := parse(t, "A = { k = 1; }").Get("A", "j"); ok {
		t.Error("a key that is not there")
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct {
		text string
		line int
		msg  string
	}{
		{"A = {\n k = 1;\n", 1, `section "A" is not closed`},
		{"A = {\n k = 1;\nB = {\n k = 2;\n}\n", 3, `an opening brace inside of "B"`},
		{"A = {\n k = 1\n j = 2;\n}", 2, `the value of "k" does not end: write a ;`},
		{"A = {\n k =\n j = 2;\n}", 2, `the value of "k" does not end: write a ;`},
		{"A = {\n}\n}\n", 3, "a closing brace without a section"},
		{"k = 1;\n", 1, `"k" stands outside of a section`},
		{"A = {\n k;\n}", 2, `"k" has no value`},
		{"A = {\n = 1;\n}", 2, "has no value"},
		{"A {\n}", 1, "a section is to begin here"},
		{"{}", 1, "a section is to begin here"},
		{"[A\nk=1", 1, "a section is to begin here"},
		{"[A] x\n", 1, "something stands behind [A]"},
		{"[A]\nk\n", 2, `"k" has no value`},
		{"[A]\n\nk=1\n=2\n", 4, "has no value"},
		{"A = {\n k = \x00;\n}", 2, "a zero byte"},
		{"A = {\n \x1b[2Jk;\n}", 2, `"?[2Jk" has no value`},
		{strings.Repeat("#", MaxSize+1), 1, "larger than"},
	} {
		_, err := Parse([]byte(c.text))
		se, ok := errors.AsType[*SyntaxError](err)
		if !ok || se.Line != c.line || !strings.Contains(se.Msg, c.msg) {
			t.Errorf("%.40q: %v", c.text, err)
		}
	}
}

// TestSet: only what was named changes.
func TestSet(t *testing.T) {
	for _, c := range []struct{ text, key, value, want string }{
		{"", "k", "1", "A = {\n  k = 1;\n}\n"},
		{"// mine\n", "k", "1", "// mine\n\nA = {\n  k = 1;\n}\n"},
		{"// mine", "k", "1", "// mine\n\nA = {\n  k = 1;\n}\n"},
		{"\ufeff", "k", "1", "\ufeffA = {\n  k = 1;\n}\n"},
		{"A = {}", "k", "1", "A = {\n  k = 1;\n}"},
		{"A = {\n}\n", "k", "1", "A = {\n  k = 1;\n}\n"},
		{"A = { // c\n}\n", "k", "1", "A = { // c\n  k = 1;\n}\n"},
		{"A = {\n\tk = 1;  // one\n\tj = 2;\n}\n", "k", "5", "A = {\n\tk = 5;  // one\n\tj = 2;\n}\n"},
		{"A = {\n\tj = 2;  // two\n}\n", "k", "5", "A = {\n\tj = 2;  // two\n\tk = 5;\n}\n"},
		{"A = {\n   j = 2 # two\n}\n", "k", "5", "A = {\n   j = 2; # two\n   k = 5;\n}\n"},
		{"A = { j = 2 }", "k", "5", "A = { j = 2; k = 5; }"},
		{"A = {\r\n  j = 2;\r\n}\r\n", "k", "5", "A = {\r\n  j = 2;\r\n  k = 5;\r\n}\r\n"},
		{"B = {\r\n}", "k", "5", "B = {\r\n}\r\n\r\nA = {\r\n  k = 5;\r\n}\r\n"},
		{"A = { k = 1; }\nA = { j = 2; }\n", "k", "3", "A = { k = 3; }\nA = { j = 2; }\n"},
		{"A = { k = 1; }\na = { K = 2; }\n", "k", "3", "A = { k = 1; }\na = { K = 3; }\n"},
		{"A = { i = 1; }\nA = { j = 2; }\n", "k", "3", "A = { i = 1; }\nA = { j = 2; k = 3; }\n"},
		{"A = { k = a,\n  b; j = 1; }", "k", "c", "A = { k = c; j = 1; }"},
		{"A = { k =; }", "k", "c", "A = { k = c; }"},
		{"A = { k = }", "k", "c", "A = { k = c;}"},
		{"A = { k = 1; }", "k", "", "A = { k = ; }"},
		{"A = { k = 1; }", "k", "x  //", ""},
		{"[A]\r\nj=1\r\n\r\n[B]\r\n", "k", "5", "[A]\r\nj=1\r\nk=5\r\n\r\n[B]\r\n"},
		{"[A]\nk = 1 \n", "k", "5", "[A]\nk = 5 \n"},
		{"[A]\nk=\n", "k", "5", "[A]\nk=5\n"},
		{"[B]\nk=1", "k", "5", "[B]\nk=1\n\n[A]\nk=5\n"},
		{"[A]", "k", "a;b#c // {d}", "[A]\nk=a;b#c // {d}"},
	} {
		f := parse(t, c.text)
		err := f.Set("A", c.key, c.value)
		if c.want == "" {
			if err == nil || string(f.Bytes()) != c.text {
				t.Errorf("%q: %v %q", c.text, err, f.Bytes())
			}
			continue
		}
		if err != nil || string(f.Bytes()) != c.want {
			t.Errorf("%q: %v\n%q want\n%q", c.text, err, f.Bytes(), c.want)
		}
	}
}

func TestSetRefuses(t *testing.T) {
	for _, c := range []struct{ section, key, value, want string }{
		{"A", "k", "a\nb", "line end or control character"},
		{"A", "k", "a\x1b", "line end or control character"},
		{"A", "k", " a", "begins or ends with a blank"},
		{"A", "k", "a;b", "has one of { } ;"},
		{"A", "k", "{a}", "has one of { } ;"},
		{"A", "k", "/a #b", "begins a comment"},
		{"A", "k", "//a", "begins a comment"},
		{"A", "", "a", "can not be a name"},
		{"A", "k=j", "a", "can not be a name"},
		{"", "k", "a", "can not be a name"},
		{"A{", "k", "a", "can not be a name"},
		{"A", "#k", "a", "can not be a name"},
	} {
		f := parse(t, "A = {\n j = 1;\n}\n")
		before := string(f.Bytes())
		if err := f.Set(c.section, c.key, c.value); err == nil || !strings.Contains(err.Error(), c.want) || string(f.Bytes()) != before {
			t.Errorf("%q %q %q: %v", c.section, c.key, c.value, err)
		}
	}
}

func TestUnsetAndRemove(t *testing.T) {
	for _, c := range []struct{ text, unset, remove string }{
		{"A = {\n  k = 1;\n  j = 2;\n}\nB = {\n}\n", "A = {\n  j = 2;\n}\nB = {\n}\n", "B = {\n}\n"},
		{"A = {\n  k = 1; // one\n}\n", "A = {\n   // one\n}\n", ""},
		{"A = { k = 1; j = 2; k = 3 }", "A = {  j = 2;  }", ""},
		{"# c\r\n[A]\r\nk=1\r\nj=2\r\n[B]\r\n[A]\r\nk=3\r\n", "# c\r\n[A]\r\nj=2\r\n[B]\r\n[A]\r\n", "# c\r\n[B]\r\n"},
		{"[A]\nk=1", "[A]\n", ""},
		{"A = { k = a,\n\n b;\n}\nA = {\n}", "A = { \n}\nA = {\n}", ""},
	} {
		f := parse(t, c.text)
		if !f.Unset("a", "K") || string(f.Bytes()) != c.unset || f.Unset("A", "k") {
			t.Errorf("%q: %q", c.text, f.Bytes())
		}
		f = parse(t, c.text)
		if !f.RemoveSection("a") || string(f.Bytes()) != c.remove || f.RemoveSection("A") {
			t.Errorf("%q: %q", c.text, f.Bytes())
		}
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.conf")
	if _, err := Load(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("A = {\n k;\n}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || err.Error() != path+`:2: "k" has no value: write NAME = VALUE;` {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("#\n", MaxSize)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
}

// TestLargeFile: a file at the limit is read in one go through, not in one per
// key.
func TestLargeFile(t *testing.T) {
	var b strings.Builder
	b.WriteString("A = {\n")
	for i := 0; b.Len() < MaxSize-100; i++ {
		fmt.Fprintf(&b, "k%d=1;\n", i)
	}
	b.WriteString("}\n")
	f := parse(t, b.String())
	keys := f.Keys("A")
	for i, k := range keys {
		if _, line, ok := f.Get("A", k); !ok || line != i+2 {
			t.Fatalf("%s in line %d, %v", k, line, ok)
		}
	}
	if len(keys) < 90000 {
		t.Errorf("%d keys", len(keys))
	}
}
