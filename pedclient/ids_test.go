package pedclient

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"openped/internal/cmdline"
	"openped/internal/conffile"
	"openped/internal/rc"
)

func idsOf(t *testing.T, conf string) []PEDID {
	t.Helper()
	f, err := conffile.Load(conf)
	if err != nil {
		t.Fatal(err)
	}
	m, err := LoadIDs(f)
	if err != nil {
		t.Fatal(err)
	}
	return m.List()
}

// TestIDs plays the life of PED IDs; each step says what it is refused for and
// what is left.
func TestIDs(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "pedClient.conf")
	const before = "// kept\nPedClient = {\n   LogInfo = 1;\n}\nOther Thing = {\n  A = 1;\n}\n"
	if err := os.WriteFile(conf, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	a := PEDID{ID: 1234, Host: "myhostname", Port: 3456}
	aTLS := PEDID{ID: 1234, Host: "2001:db8::5", Port: 1503, TLS: true}
	aHSM, aTLSHSM := a, aTLS
	aHSM.HSMSerial, aTLSHSM.HSMSerial = "123456789", "123456789"
	b := PEDID{ID: 1, Host: "10.0.0.5", Port: 1503}
	usage := func(err error) bool { var e *cmdline.UsageError; return errors.As(err, &e) }
	code := func(c rc.Code) func(error) bool {
		return func(err error) bool { var e *cmdline.ExitError; return errors.As(err, &e) && e.RC == c && e.Hint != "" }
	}
	for i, s := range []struct {
		do    func() error
		fails func(error) bool
		left  []PEDID
	}{
		{func() error { return AssignID(conf, 1234, "123456789") }, code(rc.NotRegistered), nil},
		{func() error { return SetID(conf, a) }, nil, []PEDID{a}},
		{func() error { return SetID(conf, a) }, nil, []PEDID{a}},
		{func() error { return SetID(conf, PEDID{ID: 0, Host: "h", Port: 1}) }, usage, []PEDID{a}},
		{func() error { return SetID(conf, PEDID{ID: 65536, Host: "h", Port: 1}) }, usage, []PEDID{a}},
		{func() error { return SetID(conf, PEDID{ID: -1, Host: "h", Port: 1}) }, usage, []PEDID{a}},
		{func() error { return SetID(conf, PEDID{ID: 2, Host: "h", Port: 0}) }, usage, []PEDID{a}},
		{func() error { return SetID(conf, PEDID{ID: 2, Host: "h", Port: 65536}) }, usage, []PEDID{a}},
		{func() error { return SetID(conf, PEDID{ID: 2, Host: "bad host;", Port: 1}) }, usage, []PEDID{a}},
		{func() error { return SetID(conf, PEDID{ID: 2, Host: "300.1.2.3", Port: 1}) }, usage, []PEDID{a}},
		{func() error { return SetID(conf, PEDID{ID: 2, Port: 1}) }, usage, []PEDID{a}},
		{func() error { return SetID(conf, b) }, nil, []PEDID{b, a}},
		{func() error { return AssignID(conf, 1234, "no serial!") }, usage, []PEDID{b, a}},
		{func() error { return AssignID(conf, 1234, "123456789") }, nil, []PEDID{b, aHSM}},
		{func() error { return AssignID(conf, 1234, "123456789") }, nil, []PEDID{b, aHSM}},
		{func() error { return AssignID(conf, 1234, "5") }, code(rc.InUse), []PEDID{b, aHSM}},
		{func() error { return AssignID(conf, 1, "123456789") }, code(rc.InUse), []PEDID{b, aHSM}},
		{func() error { return DeleteID(conf, 1234) }, code(rc.InUse), []PEDID{b, aHSM}},
		{func() error { return SetID(conf, aTLS) }, nil, []PEDID{b, aTLSHSM}}, // stays assigned
		{func() error { return ReleaseID(conf, 1234) }, nil, []PEDID{b, aTLS}},
		{func() error { return ReleaseID(conf, 1234) }, nil, []PEDID{b, aTLS}},
		{func() error { return ReleaseID(conf, 9) }, code(rc.NotRegistered), []PEDID{b, aTLS}},
		{func() error { return DeleteID(conf, 9) }, code(rc.NotRegistered), []PEDID{b, aTLS}},
		{func() error { return DeleteID(conf, 1234) }, nil, []PEDID{b}},
		{func() error { return DeleteID(conf, 1) }, nil, nil},
	} {
		err := s.do()
		if (err != nil) != (s.fails != nil) || err != nil && !s.fails(err) {
			t.Errorf("step %d: %v", i, err)
		}
		if got := idsOf(t, conf); !slices.Equal(got, s.left) {
			t.Errorf("step %d: %+v, want %+v", i, got, s.left)
		}
	}
	got, err := os.ReadFile(conf)
	if rest, ok := strings.CutPrefix(string(got), before); err != nil || !ok || strings.TrimSpace(rest) != "" {
		t.Errorf("what is not of PED IDs has changed: %v\n%s", err, got)
	}
}

// TestIDsRefused: what somebody has written by hand is refused with its place,
// and a file that is refused is not changed.
func TestIDsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"PedId x = {\n Host = h;\n}\n":                                 "section PedId x: a PED ID is a number",
		"PedId 0 = {\n Host = h;\n}\n":                                 "section PedId 0: a PED ID is a number from 1",
		"PedId 07 = {\n Host = h;\n}\n":                                "section PedId 07: a PED ID",
		"PedId 70000 = {\n Host = h;\n}\n":                             "to 65535",
		"PedId 7 = {\n Port = 1;\n}\n":                                 "section PedId 7, no Host",
		"PedId 7 = {\n Host = h;\n Port = 0;\n}\n":                     "section PedId 7, line 3: Port: ",
		"PedId 7 = {\n Host = a b;\n}\n":                               "section PedId 7, line 2: Host: ",
		"PedId 7 = {\n Host = h;\n TLS = yes;\n}\n":                    "line 3: TLS: ",
		"PedId 7 = {\n Host = h;\n HSMSerial = a b;\n}\n":              "line 3: HSMSerial: ",
		"PedId 7={Host=h;HSMSerial=1;}\nPedId 8={Host=h;HSMSerial=1;}": "section PedId 8: HSM 1 has PED ID 7 already",
	} {
		f, err := conffile.Parse([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if _, err := LoadIDs(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		conf := filepath.Join(t.TempDir(), "c")
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := SetID(conf, PEDID{ID: 3, Host: "h", Port: 1}); err == nil || !strings.Contains(err.Error(), conf) {
			t.Errorf("%q: set all the same: %v", text, err)
		}
		if got, _ := os.ReadFile(conf); string(got) != text {
			t.Errorf("%q was changed", text)
		}
	}
	var none *IDMap
	if _, ok := none.Lookup(1); ok || none.List() != nil {
		t.Error("a nil map has entries")
	}
	f, err := conffile.Parse([]byte("pedid 5 = {\n host = h\n}\n")) // spelling is free
	if err != nil {
		t.Fatal(err)
	}
	m, err := LoadIDs(f)
	if p, ok := m.Lookup(5); err != nil || !ok || p != (PEDID{ID: 5, Host: "h", Port: DefaultPort}) {
		t.Errorf("%+v %v", p, err)
	}
}

// FuzzIDs: whatever a file says, what can be read has the rules of PED IDs, and
// one more can be added without a change to the others.
func FuzzIDs(f *testing.F) {
	f.Add([]byte("PedId 7 = {\n Host = h;\n Port = 1503;\n TLS = 1;\n HSMSerial = 700;\n}\n"))
	f.Add([]byte("PedId 7={Host=h;}PedId 8={Host=::1;TLS=0}"))
	f.Add([]byte("[PedId 9]\nHost=10.0.0.5\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := conffile.Parse(b)
		if err != nil {
			return
		}
		m, err := LoadIDs(c)
		if err != nil {
			return
		}
		serials, last := map[string]bool{}, 0
		for _, p := range m.List() {
			if p.ID <= last || p.ID > MaxPEDID || p.Host == "" || p.Port < 1 || p.Port > 65535 || p.HSMSerial != "" && serials[p.HSMSerial] {
				t.Errorf("%+v", p)
			}
			last, serials[p.HSMSerial] = p.ID, true
		}
		if _, there := m.Lookup(65000); there {
			return
		}
		conf := filepath.Join(t.TempDir(), "c")
		if err := os.WriteFile(conf, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := SetID(conf, PEDID{ID: 65000, Host: "new", Port: 1}); err != nil {
			return // a file that cannot take it is refused, and as it was
		}
		want := append(m.List(), PEDID{ID: 65000, Host: "new", Port: 1})
		slices.SortFunc(want, func(a, b PEDID) int { return a.ID - b.ID })
		if got := idsOf(t, conf); !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
