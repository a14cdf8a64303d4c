package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	prompt   = `{"vsId":0,"algorithm":"HMAC-SHA2-512","revision":"1.0","isSample":false,"testGroups":[{"tgId":1,"testType":"AFT","keyLen":8,"msgLen":0,"macLen":80,"tests":[{"tcId":1,"key":"00","msg":""}]}]}`
	expected = `{"vsId":0,"algorithm":"HMAC-SHA2-512","revision":"1.0","isSample":false,"testGroups":[{"tgId":1,"tests":[{"tcId":1,"mac":"B936CEE86C9F87AA5D3C"}]}]}`
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	do := func(want int, args ...string) {
		t.Helper()
		out.Reset()
		errs.Reset()
		if got := run(args, &out, &errs); got != want {
			t.Fatalf("%v: status %d, want %d: %s%s", args, got, want, &out, &errs)
		}
	}
	do(1)
	do(1, "-nonsense", dir)
	do(2, dir)
	write("prompt.json", prompt)
	do(0, dir)
	if got := strings.Join(strings.Fields(out.String()), ""); got != expected {
		t.Errorf("response\n%s\nwant\n%s", got, expected)
	}
	do(2, "-check", dir) // nothing to compare with
	write("expectedResults.json", expected)
	do(0, "-check", dir)
	if out.String() != "HMAC-SHA2-512-1.0: 1 passed, 0 failed\n" {
		t.Errorf("said %q", out.String())
	}
	write("expectedResults.json", strings.Replace(expected, "B9", "B8", 1))
	do(2, "-check", dir)
	if out.String() != "HMAC-SHA2-512-1.0: 0 passed, 1 failed\n" {
		t.Errorf("said %q", out.String())
	}
}
