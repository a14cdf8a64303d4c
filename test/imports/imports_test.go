package imports

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var platforms = []struct {
	goos string
	cgo  bool
}{{"linux", true}, {"linux", false}, {"windows", false}, {"windows", true}}

func TestHouse(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, pl := range platforms {
		name := pl.goos
		if pl.cgo {
			name += "+cgo"
		}
		t.Run(name, func(t *testing.T) {
			g, err := Load(root, pl.goos, pl.cgo)
			if err != nil {
				t.Fatal(err)
			}
			// A listing that lost our packages would pass every rule.
			for _, must := range []string{"cmd/pedserver", "cmd/pedclient", "cmd/hsmcm", "cmd/softped", "pedserver", "protocol/channel", "hsm"} {
				p := g[must]
				if p == nil || !p.Ours || len(p.GoFiles) == 0 || len(p.Deps) == 0 {
					t.Errorf("%s is not in the graph", must)
				}
			}
			for _, line := range Check(g) {
				t.Error(line)
			}
			bad, err := CheckSource(g)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range bad {
				t.Error(line)
			}
		})
	}
}

// graph builds a graph of our packages from "from -> to to" lines; Deps are
// the closure of the direct imports.
func graph(lines ...string) Graph {
	g := Graph{}
	node := func(marked string) *Package {
		path, ours := strings.CutPrefix(marked, oursMark)
		if g[path] == nil {
			g[path] = &Package{Path: path, Ours: ours}
		}
		return g[path]
	}
	for _, line := range lines {
		from, to, _ := strings.Cut(line, " -> ")
		p := node(from)
		for _, imp := range strings.Fields(to) {
			p.Imports = append(p.Imports, imp)
			node(imp)
		}
	}
	for _, p := range g {
		todo := slices.Clone(p.Imports)
		for len(todo) > 0 {
			d := todo[0]
			todo = todo[1:]
			if slices.Contains(p.Deps, d) {
				continue
			}
			p.Deps = append(p.Deps, d)
			todo = append(todo, g[strings.TrimPrefix(d, oursMark)].Imports...)
		}
	}
	return g
}

// TestCaught: for each rule there is a graph that breaks it, and is refused by
// that rule.
func TestCaught(t *testing.T) {
	type violation struct {
		rule  string // start of the expected line
		lines []string
	}
	tests := []violation{
		{"the relay links nothing", []string{"./cmd/pedserver -> ./pedserver", "./pedserver -> ./protocol", "./protocol -> ./protocol/channel"}},
		{"the relay links nothing", []string{"./cmd/pedserver -> ./protocol/kas"}},
		{"the relay links nothing", []string{"./pedserver -> ./rpv"}},
		{"the relay links nothing", []string{"./cmd/pedserver -> ./hsm/virtual"}},
		{"TLS identities know nothing", []string{"./certs/linkid -> ./certs"}},
		{"TLS identities know nothing", []string{"./certs/linkid/linkcmd -> ./certs/linkid ./internal/daemon", "./certs/linkid -> ./protocol", "./protocol -> ./protocol/kas/cpace"}},
		{"TLS identities know nothing", []string{"./certs/linkid -> ./protocol/channel"}},
		{"pedserver and pedclient never import each other (server", []string{"./cmd/pedserver -> ./pedclient"}},
		{"pedserver and pedclient never import each other (client", []string{"./cmd/pedclient -> ./pedserver"}},
		{"softped never imports hsm", []string{"./softped/face -> ./hsm"}},
		{"hsm never imports softped", []string{"./hsm -> ./test/kit", "./test/kit -> ./softped"}},
		{"no daemon can turn into a mock", []string{"./cmd/pedclient -> ./softped"}},
		{"the console holds no keys", []string{"./hsmcm -> ./rpv"}},
		{"gousb only", []string{"./usbped -> github.com/google/gousb"}},
		{"usbped/libusb only from cmd", []string{"./hsm -> ./usbped/libusb"}},
		{"PKCS#11 only", []string{"./hsm/virtual -> github.com/miekg/pkcs11"}},
		{"services only", []string{"./pedserver -> github.com/kardianos/service"}},
		{"protocol is bytes in", []string{"./protocol/channel -> time"}},
		{"protocol is bytes in", []string{"./protocol/hsmapi -> net"}},
		{"protocol is bytes in", []string{"./protocol -> log/slog"}},
		{"protocol is bytes in", []string{"./protocol/kas -> os"}},
		{"nothing imports the tests", []string{"./certs -> ./test/fixtures"}},
		{"nothing imports the tests", []string{"./certs -> testing"}},
		{"tests only", []string{"./hsm -> ./hsm/hsmtest"}},
		{"tiers: ./internal/wire imports ./protocol", []string{"./internal/wire -> ./protocol"}},
		{"tiers: ./rpv imports ./certs", []string{"./rpv -> ./certs"}},
		{"tiers: ./protocol imports ./certs", []string{"./protocol -> ./certs"}},
		{"tiers: ./hsmcm imports ./pedclient", []string{"./hsmcm -> ./pedclient"}},
		{"tiers: ./usbped imports ./usbped/libusb", []string{"./usbped -> ./usbped/libusb"}},
		{"tiers: ./cmd/hsmcm imports ./dist/gen", []string{"./cmd/hsmcm -> ./dist/gen"}},
		{"tiers: ./cmd/hsmcm imports the command", []string{"./cmd/hsmcm -> ./cmd/kit"}},
		{"tiers: ./strange has no place", []string{"./strange -> errors"}},
	}
	for _, r := range Rules {
		if !slices.ContainsFunc(tests, func(v violation) bool { return strings.HasPrefix(r.Name, v.rule) }) {
			t.Errorf("no violating graph for rule %q", r.Name)
		}
	}
	for _, tt := range tests {
		bad := Check(graph(tt.lines...))
		if !slices.ContainsFunc(bad, func(s string) bool { return strings.HasPrefix(s, tt.rule) }) {
			t.Errorf("%v: not caught by %q: %v", tt.lines, tt.rule, bad)
		}
	}
}

// TestClean: a graph as the house wants it breaks nothing.
func TestClean(t *testing.T) {
	good := graph(
		"./dist/gen -> ./pedserver ./softped os/exec",
		"./cmd/pedserver -> ./pedserver ./usbped/libusb os",
		"./cmd/pedclient -> ./pedclient ./hsm/virtual",
		"./cmd/softped -> ./softped",
		"./cmd/hsmcm -> ./hsmcm net",
		"./pedserver -> ./usbped ./protocol ./internal/admin time",
		"./pedclient -> ./hsm ./protocol/hsmapi ./certs/linkid",
		"./certs/linkid -> ./internal/conffile crypto/tls",
		"./softped -> ./rpv ./protocol/channel",
		"./hsm -> ./certs ./rpv ./hsm/roles",
		"./hsm/virtual -> ./hsm",
		"./hsm/hsmtest -> testing",
		"./usbped/libusb -> ./usbped github.com/google/gousb",
		"./protocol/channel -> ./protocol/kas ./internal/secret errors",
		"./internal/service -> github.com/kardianos/service",
		"./test/demo -> ./softped ./hsm ./hsm/hsmtest",
	)
	if bad := Check(good); len(bad) > 0 {
		t.Errorf("a clean graph was refused: %v", bad)
	}
}

func TestGoroutineCaught(t *testing.T) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "x.go", "package x\nfunc f() { go f() }\n", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(goroutines(fset, f)) != 1 {
		t.Error("a go statement went unseen")
	}
}
