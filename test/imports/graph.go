package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Module is the path every package of ours starts with.
const Module = "openped"

// Package is what the rules look at of one package. Paths of our own packages
// are relative to the module ("hsm/virtual"), others are as imported.
type Package struct {
	Path    string
	Imports []string // direct imports of the non-test files
	Deps    []string // everything it links
	Dir     string
	GoFiles []string
	Ours    bool
}

// Graph holds every package that a build of the module needs, by path.
type Graph map[string]*Package

// Load asks the go command for the graph of all packages below dir as goos
// builds them. With cgo the packages that need it count too.
func Load(dir, goos string, cgo bool) (Graph, error) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Imports,Deps,Dir,GoFiles,CgoFiles,Standard,Error", "./...")
	cmd.Dir = dir
	enabled := "0"
	if cgo {
		enabled = "1"
	}
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED="+enabled, "GOFLAGS=-mod=readonly")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list for %s: %w: %s", goos, err, strings.TrimSpace(stderr.String()))
	}
	g := Graph{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir                  string
			Imports, Deps, GoFiles, CgoFiles []string
			Error                            *struct{ Err string }
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return g, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading go list's output: %w", err)
		}
		path, ours := relative(p.ImportPath)
		// A package with no files for this platform is no news; a package
		// of ours that cannot be found would hide what it imports.
		if p.Error != nil && ours && len(p.GoFiles)+len(p.CgoFiles) > 0 {
			return nil, fmt.Errorf("go list for %s: %s: %s", goos, p.ImportPath, p.Error.Err)
		}
		g[path] = &Package{
			Path: path, Ours: ours, Dir: p.Dir,
			Imports: relatives(p.Imports), Deps: relatives(p.Deps),
			GoFiles: append(p.GoFiles, p.CgoFiles...),
		}
	}
}

// relative strips the module from one of our paths.
func relative(path string) (string, bool) {
	if rest, ok := strings.CutPrefix(path, Module+"/"); ok {
		return rest, true
	}
	return path, path == Module
}

// oursMark keeps our "rpv" apart from anybody else's "rpv" in import lists.
const oursMark = "./"

func relatives(paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		if rel, ours := relative(p); ours {
			out[i] = oursMark + rel
		} else {
			out[i] = p
		}
	}
	return out
}
