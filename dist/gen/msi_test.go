package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestGUID(t *testing.T) {
	a, b := guid("0.1.0 amd64"), guid("0.1.0 arm64")
	if a == b || a != guid("0.1.0 amd64") || len(a) != 36 || a != strings.ToUpper(a) {
		t.Errorf("%s %s", a, b)
	}
}

// TestStamp: both times are found, and a file without them is refused.
func TestStamp(t *testing.T) {
	made, saved, at := time.Unix(1700000000, 0).UTC(), time.Unix(1700000007, 0).UTC(), time.Unix(1600000000, 0).UTC()
	info := "Title: x\nCreated: " + made.Format("Mon Jan _2 15:04:05 2006") + "\nLast saved: " + saved.Format("Mon Jan _2 15:04:05 2006") + "\n"
	msi := slices.Concat([]byte("before"), filetime(made), []byte("between"), filetime(saved), []byte("after"))
	got, err := stamp(msi, info, at)
	if want := slices.Concat([]byte("before"), filetime(at), []byte("between"), filetime(at), []byte("after")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x %v", got, err)
	}
	same := strings.ReplaceAll(info, saved.Format("15:04:05"), made.Format("15:04:05"))
	if got, err := stamp(slices.Concat(filetime(made), filetime(made)), same, at); err != nil || !bytes.Equal(got, slices.Concat(filetime(at), filetime(at))) {
		t.Errorf("the same time twice: %x %v", got, err)
	}
	for _, bad := range []string{"", "Created: yesterday\nLast saved: today\n"} {
		if _, err := stamp(msi, bad, at); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := stamp([]byte("nothing"), info, at); err == nil {
		t.Error("a file without times was taken")
	}
}
