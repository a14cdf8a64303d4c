package main

import (
	"strings"
	"testing"
)

// TestJudge: nothing that did not pass goes without a word, nor what passes and is
// said not to.
func TestJudge(t *testing.T) {
	listed := limits[0]
	line := func(action, pkg, test string) string {
		return `{"Action":"` + action + `","Package":"` + module + pkg + `","Test":"` + test + `"}` + "\n"
	}
	good := line("pass", "x", "TestA") + line("pass", "x", "")
	for name, c := range map[string]struct{ report, want string }{
		"all passed":             {good, ""},
		"a known one fails":      {good + line("pass", listed.pkg, "TestB") + line("fail", listed.pkg, listed.test) + line("fail", listed.pkg, ""), ""},
		"a known one passes":     {good + line("pass", listed.pkg, listed.test) + line("pass", listed.pkg, ""), "take it off the list"},
		"one fails":              {good + line("fail", "y", "TestB") + line("fail", "y", ""), "y TestB: fail"},
		"one is skipped":         {good + line("skip", "y", "TestB") + line("pass", "y", ""), "y TestB: skip"},
		"a package crashes":      {good + line("fail", "y", ""), "y did not end as it should"},
		"a package is not built": {good + "no JSON\n" + line("fail", "y", ""), "y did not end as it should"},
		"nothing ran":            {"", "no unit test ran"},
	} {
		err := taken(t, c.report).judge(false)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := taken(t, good).judge(true); err == nil || !strings.Contains(err.Error(), "is listed and was not run") {
		t.Errorf("a known one is gone: %v", err)
	}
}

// taken is a report of go test, read.
func taken(t *testing.T, report string) results {
	t.Helper()
	r, err := read(strings.NewReader(report), false)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAll(t *testing.T) {
	const pass, skip = `{"Action":"pass","Package":"x","Test":"A"}` + "\n", `{"Action":"skip","Package":"x","Test":"B"}` + "\n"
	for report, ok := range map[string]bool{pass: false, pass + `{"Action":"pass","Package":"x"}`: true, pass + skip: false, "": false, pass + `{"Action":"fail","Package":"x"}`: false} {
		if err := taken(t, report).all(); (err == nil) != ok {
			t.Errorf("%s: %v", report, err)
		}
	}
}
