package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// patch is a place in somebody else's source at which Wine does not do what
// Windows does, and what is put there.
type patch struct {
	module      string // "" for the standard library
	file        string
	place, text string
}

var patches = []patch{
	// What removes what is in a folder. Wine answers a request for the semantics of
	// POSIX with "not implemented", which the library does not take for "not here":
	// testing could not remove a test's folder.
	{"", "src/internal/syscall/windows/at_windows.go",
		"\tcase STATUS_INVALID_INFO_CLASS, ",
		"\tcase NTStatus(0xC0000002), STATUS_INVALID_INFO_CLASS, "},
	// The first instance of a pipe holds the name and is to serve nobody, which
	// go-winio tells Windows by asking for no access to it. Wine connects the first
	// caller to it all the same, who would wait for ever: so that is ourselves.
	{"github.com/Microsoft/go-winio", "pipe.go",
		"\truntime.KeepAlive(ntPath)\n\treturn h, nil\n",
		"\truntime.KeepAlive(ntPath)\n" +
			"\tif first {\n" +
			"\t\tif c, err := windows.CreateFile(&path16[0], windows.GENERIC_READ, 0, nil, windows.OPEN_EXISTING, 0, 0); err == nil {\n" +
			"\t\t\t_ = windows.CloseHandle(c)\n" +
			"\t\t}\n" +
			"\t\t_ = disconnectNamedPipe(h)\n" +
			"\t}\n" +
			"\treturn h, nil\n"},
}

// apply returns the source with the patch in it.
func (p patch) apply(root string) ([]byte, error) {
	path := filepath.Join(root, filepath.FromSlash(p.file))
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if strings.Count(string(source), p.place) != 1 {
		return nil, fmt.Errorf("%s is not as expected: no %q; adapt test/windows/patch.go to it", path, p.place)
	}
	return []byte(strings.Replace(string(source), p.place, p.text, 1)), nil
}

// patched writes into dir what the go command needs for programs that Wine can
// run, and returns its flags. Nothing that is shipped is built with them.
func patched(ctx context.Context, dir string) ([]string, error) {
	root, err := output(ctx, nil, goTool(), "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	root = strings.TrimSpace(root)
	replace, mod := map[string]string{}, []byte(nil)
	if mod, err = os.ReadFile("go.mod"); err != nil {
		return nil, err
	}
	for i, p := range patches {
		if p.module != "" {
			own := filepath.Join(dir, filepath.Base(p.module))
			if err := p.copyModule(ctx, own); err != nil {
				return nil, err
			}
			mod = fmt.Appendf(mod, "\nreplace %s => %s\n", p.module, own)
			continue
		}
		text, err := p.apply(root)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(p.file)))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return nil, err
		}
		replace[filepath.Join(root, filepath.FromSlash(p.file))] = file
	}
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	overlay, modfile := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "patched.mod")
	for path, b := range map[string][]byte{overlay: b, modfile: mod, filepath.Join(dir, "patched.sum"): sums} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return nil, err
		}
	}
	return []string{"-overlay=" + overlay, "-modfile=" + modfile}, nil
}

// copyModule copies a module, which the go command lets nobody overlay.
func (p patch) copyModule(ctx context.Context, to string) error {
	from, err := output(ctx, nil, goTool(), "list", "-m", "-f", "{{.Dir}}", p.module)
	if err != nil {
		return err
	}
	from = strings.TrimSpace(from)
	text, err := p.apply(from)
	if err != nil {
		return err
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	path := filepath.Join(to, filepath.FromSlash(p.file))
	return errors.Join(os.Remove(path), os.WriteFile(path, text, 0o600))
}
