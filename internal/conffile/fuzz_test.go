package conffile

import (
	"bytes"
	"os"
	"testing"
)

func seeds(f *testing.F, add func([]byte)) {
	for _, path := range []string{"testdata/Chrystoki.conf", "testdata/crystoki.ini"} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		add(b)
	}
	for _, s := range []string{"", "\ufeff", "A={k=1}", "A = { k = a,\r\n b // c\r\n}\r\n", "[A]\r\nk=1", "; c", "A={};;", "A = { k =\n}", "A = { k = 1; } # x"} {
		add([]byte(s))
	}
}

// FuzzParse: what can be read is kept byte for byte, and can be read again.
func FuzzParse(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			if se, ok := err.(*SyntaxError); !ok || se.Line < 1 || se.Msg == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		if !bytes.Equal(p.Bytes(), b) {
			t.Fatalf("%q became %q", b, p.Bytes())
		}
		for _, s := range p.Sections() {
			for _, k := range p.Keys(s) {
				if _, line, ok := p.Get(s, k); !ok || line < 1 {
					t.Fatalf("%q %q: line %d, %v", s, k, line, ok)
				}
			}
		}
	})
}

// FuzzSet: a value that was taken is read back, and no other value changes.
func FuzzSet(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b, "A", "k", "v") })
	f.Add([]byte("A = { k = 1"+" }"), "A", "k", "a b")
	f.Add([]byte("[A]\nk=1\n"), "B", "j", "")
	f.Fuzz(func(t *testing.T, b []byte, section, key, value string) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		type at struct{ s, k string }
		before := map[at]string{}
		for _, s := range p.Sections() {
			for _, k := range p.Keys(s) {
				before[at{fold(s), fold(k)}], _, _ = p.Get(s, k)
			}
		}
		if p.Set(section, key, value) != nil {
			if !bytes.Equal(p.Bytes(), b) {
				t.Fatal("a refused change has changed something")
			}
			return
		}
		before[at{fold(section), fold(key)}] = value
		check := func(p *File) {
			n := 0
			for _, s := range p.Sections() {
				for _, k := range p.Keys(s) {
					n++
					if v, _, _ := p.Get(s, k); v != before[at{fold(s), fold(k)}] {
						t.Fatalf("%q: %q %q is %q, was %q", b, s, k, v, before[at{fold(s), fold(k)}])
					}
				}
			}
			if n != len(before) {
				t.Fatalf("%q: %d values, want %d in %q", b, n, len(before), p.Bytes())
			}
		}
		check(p)
		again, err := Parse(p.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		check(again)
		if !p.Unset(section, key) {
			t.Fatalf("%q can not be removed from %q", key, p.Bytes())
		}
		delete(before, at{fold(section), fold(key)})
		check(p)
	})
}
