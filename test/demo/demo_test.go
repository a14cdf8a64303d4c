package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"openped/test/lab"
)

// TestPage: nothing is wider than the page, and no word is lost.
func TestPage(t *testing.T) {
	var out bytes.Buffer
	v := &view{w: &out}
	s := lab.Screen{ID: "login.insert", Lines: []string{"SLOT         7000001", "SO LOGIN...", "Insert a", "SO / HSM Admin", "PED Key (BLUE)", "Press ENTER.", "", "SOFTWARE PED     200"}}
	v.heading("A title", strings.Repeat("why ", 60))
	v.block(s, []string{"hsmcm:>role login -name so", "Please attend to the PED.", strings.Repeat("x", 200)}, strings.Repeat("act ", 40))
	v.console([]string{"Command Result : No Error"})
	v.summary([]check{{1, "good", nil}, {2, "bad", errors.New(strings.Repeat("long ", 50))}}, 0)
	for _, l := range strings.Split(out.String(), "\n") {
		if n := utf8.RuneCountInString(l); n > pageWidth {
			t.Errorf("%d columns: %q", n, l)
		}
	}
	for word, n := range map[string]int{"why": 60, "act": 40, "long": 50, "|SO LOGIN...         |": 1, "Command Result : No Error": 1, "1 of 2 expectations held": 1} {
		if got := strings.Count(out.String(), word); got != n {
			t.Errorf("%q %d times, want %d", word, got, n)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colour where there is no terminal")
	}
}

func TestChainFrom(t *testing.T) {
	der := func(fill byte, n int) []byte {
		return append([]byte{0x30, 0x82, byte((n) >> 8), byte(n)}, bytes.Repeat([]byte{fill}, n)...)
	}
	log := []byte("hello")
	for i := range 3 {
		d := der(byte(i), 400+i)
		log = append(log, byte(len(d)>>8), byte(len(d)))
		log = append(log, d...)
	}
	chain, err := chainFrom(log)
	if err != nil || len(chain) != 3 || !bytes.Equal(chain[2], der(2, 402)) {
		t.Errorf("%d %v", len(chain), err)
	}
	if _, err := chainFrom(log[:600]); err == nil {
		t.Error("half a chain was taken")
	}
}
