package softped

import (
	"strings"
	"testing"
)

func TestPageRefusesWrapping(t *testing.T) {
	for name, rows := range map[string][]string{
		"21 columns": {strings.Repeat("x", 21)},
		"8 rows":     {"1", "2", "3", "4", "5", "6", "7", "8"},
		"not ASCII":  {"caf\u00e9"},
		"control":    {"a\x1b[2J"},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			newPage("x", rows...)
		}()
	}
	newPage("x", strings.Repeat("x", 20), "", "", "", "", "", "7th")
}

func TestLine8(t *testing.T) {
	p := newPage("x", "a")
	for secs, want := range map[int]string{-1: "SOFTWARE PED", 0: "SOFTWARE PED       0", 7: "SOFTWARE PED       7", 200: "SOFTWARE PED     200", 3600: "SOFTWARE PED    3600"} {
		if l := p.lines(secs); l[7] != want || l[0] != "a" {
			t.Errorf("%d: %q", secs, l)
		}
	}
}

func TestStars(t *testing.T) {
	for n, want := range map[int]string{0: "", 5: "*****", 20: strings.Repeat("*", 20), 21: strings.Repeat("*", 17) + "+04", 48: strings.Repeat("*", 17) + "+31"} {
		if got := stars(n); got != want || len(got) > Columns {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestSlotLine(t *testing.T) {
	for serial, want := range map[string]string{
		"":                      "SLOT",
		"1001":                  "SLOT            1001",
		"123456789012345":       "SLOT 123456789012345",
		"12345678901234567890X": "SLOT 12345678901234~",
		"a\nb":                  "SLOT             a?b",
		unverified:              "SLOT      UNVERIFIED",
	} {
		if got := slotLine(serial); got != want {
			t.Errorf("%q: %q, want %q", serial, got, want)
		}
	}
}
