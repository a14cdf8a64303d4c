package imports

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
)

// MaxMain is the most lines a command's main file may have: mains wire parts
// together, they are not where the work is done.
const MaxMain = 150

// badNames are package names that say nothing about a package's job.
var badNames = map[string]bool{"util": true, "utils": true, "common": true, "helpers": true, "misc": true}

// CheckSource looks into the files of our packages for what import lists do
// not show: goroutines in protocol, long mains, names without a meaning, a
// missing doc.go.
func CheckSource(g Graph) ([]string, error) {
	var bad []string
	for _, p := range g {
		if !p.Ours || len(p.GoFiles) == 0 {
			continue
		}
		ours := oursMark + p.Path
		if badNames[path.Base(p.Path)] {
			bad = append(bad, ours+": the name says nothing about its job")
		}
		documented := false
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			src, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			if n := bytes.Count(src, []byte("\n")); match("./cmd/...", ours) && n > MaxMain {
				bad = append(bad, fmt.Sprintf("%s/%s: %d lines, a main has at most %d", ours, name, n, MaxMain))
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, file, src, parser.ParseComments)
			if err != nil {
				return nil, err
			}
			documented = documented || f.Doc != nil
			if match("./protocol/...", ours) {
				bad = append(bad, goroutines(fset, f)...)
			}
		}
		if !documented {
			bad = append(bad, ours+": no package comment")
		}
	}
	return bad, nil
}

// goroutines returns a line for each go statement in f.
func goroutines(fset *token.FileSet, f *ast.File) []string {
	var bad []string
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.GoStmt); ok {
			bad = append(bad, fmt.Sprintf("%s: protocol starts no goroutine", fset.Position(s.Pos())))
		}
		return true
	})
	return bad
}
