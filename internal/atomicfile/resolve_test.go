package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestResolve(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, f := range []string{"one", "two"} {
		if err := os.WriteFile(at(f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(at("one"), at("sym")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	os.Symlink("sym", at("symsym"))
	os.Symlink(at("none"), at("dangling"))
	os.Symlink(dir, at("folder"))
	if err := os.Link(at("two"), at("hard")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"one": "one", "sym": "one", "symsym": "one", "folder/one": "one", "none": "none",
		"two": "", "hard": "", "dangling": "",
	} {
		got, err := Resolve(at(name))
		if want == "" && !errors.Is(err, ErrLinks) || want != "" && (err != nil || got != at(want)) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
