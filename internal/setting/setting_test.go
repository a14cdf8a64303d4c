package setting

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"openped/internal/cmdline"
	"openped/internal/conffile"
)

var table = Table{
	{Name: "port", Key: "Port", Value: "port", Kind: Int, Min: 1, Max: 65535, Default: "1503"},
	{Name: "idle", Key: "IdleTimeout", Value: "seconds", Unit: "seconds", Kind: Int, Min: 0, Max: 86400, Default: "1800", Live: true},
	{Name: "ip", Key: "IP", Value: "address", Kind: Addr, Many: true},
	{Name: "allow", Key: "AllowedClients", Value: "network", Kind: Text, Many: true, Check: CheckNetwork, Live: true},
	{Name: "logfile", Aliases: []string{"logfilename"}, Key: "LogFileName", Value: "file", Kind: Path, Live: true},
	{Name: "loginfo", Key: "LogInfo", Value: "0 or 1", Kind: Bit, Default: "1", Live: true},
	{Name: "local", Key: "LocalLogger", Kind: Switch},
	{Name: "format", Value: "format", Kind: Word, Words: []string{"text", "json"}, Default: "text"},
	{Name: "device", Key: "PedDevice", Value: "device", Kind: Text, Abs: func(v, folder string) string {
		return "unix:" + filepath.Join(folder, strings.TrimPrefix(v, "unix:"))
	}},
}

func load(t *testing.T, v *Values, text string) (unknown []string, err error) {
	t.Helper()
	f, err := conffile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v.LoadFile(f, "/etc/x.conf", "PedServer", "Ped Server")
}

func line(t *testing.T, v *Values, args ...string) error {
	t.Helper()
	rest, err := v.Flags().Parse(args)
	if err == nil && len(rest) > 0 {
		t.Fatalf("left over: %q", rest)
	}
	return err
}

// TestSources: command line before file before default.
func TestSources(t *testing.T) {
	v := New(table)
	if err := line(t, v, "-idle", "30", "-ip", "::1", "-ip", "127.0.0.1", "-LogFileName", "/tmp/x.log", "-local"); err != nil {
		t.Fatal(err)
	}
	unknown, err := load(t, v, "Ped Server = { Port = 1600; }\nPedServer = {\n idletimeout = 60;\n IP = 10.0.0.1,\n  10.0.0.2;\n Port = 1700;\n LogInfo = 0; }")
	if err != nil || unknown != nil {
		t.Fatal(unknown, err)
	}
	for _, c := range []struct {
		name, text string
		origin     Origin
		where      string
	}{
		{"port", "1700", FromFile, "/etc/x.conf:6"},
		{"idle", "30", FromCommandLine, "-idle"},
		{"ip", "::1, 127.0.0.1", FromCommandLine, "-ip"},
		{"allow", "", FromDefault, ""},
		{"logfile", abs(t, "/tmp/x.log"), FromCommandLine, "-logfile"},
		{"loginfo", "0", FromFile, "/etc/x.conf:7"},
		{"local", "1", FromCommandLine, "-local"},
		{"format", "text", FromDefault, ""},
	} {
		o, where := v.Origin(c.name)
		if v.Text(c.name) != c.text || o != c.origin || where != c.where || v.Given(c.name) != (c.origin == FromCommandLine) {
			t.Errorf("%s: %q %v %q", c.name, v.Text(c.name), o, where)
		}
	}
	if v.Int("port") != 1700 || v.Seconds("idle") != 30*time.Second || !v.Bool("local") || v.Bool("loginfo") ||
		!slices.Equal(v.List("ip"), []string{"::1", "127.0.0.1"}) || v.List("allow") != nil {
		t.Error("typed values")
	}
	all := v.All()
	if len(all) != len(table) || all[1] != (Effective{"idle", "IdleTimeout", "30", "seconds", "command line", "-idle", true}) {
		t.Errorf("%+v", all)
	}
	if o := v.Overridden(); !slices.Equal(o, []string{"IdleTimeout", "IP"}) {
		t.Errorf("overridden %q", o)
	}

	// The command line alone, as for a file that is read anew.
	c := v.CommandLine()
	if c.Int("port") != 1503 || c.Seconds("idle") != 30*time.Second {
		t.Error("command line alone")
	}
}

func TestFileErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"Port = 70000;", "/etc/x.conf:2: Port: 70000 is outside 1 to 65535"},
		{"IP = , ;", "/etc/x.conf:2: IP: nothing but commas"},
		{"IdleTimeout = x;", `/etc/x.conf:2: IdleTimeout: "x" is not a whole number from 0 to 86400 seconds`},
		{"LogInfo = yes;", `/etc/x.conf:2: LogInfo: "yes" is neither 0 nor 1`},
		{"LocalLogger = 2;", `/etc/x.conf:2: LocalLogger: "2" is neither 0 nor 1`},
		{"IP = 10.0.0.1, 10.0.0;", `/etc/x.conf:2: IP: "10.0.0" is not an IP address`},
		{"AllowedClients = 10.0.0.0/40;", `/etc/x.conf:2: AllowedClients: "10.0.0.0/40" is neither an IP address nor a network like 10.0.0.0/8`},
	} {
		v := New(table)
		_, err := load(t, v, "PedServer = { IdleTimeout = 5;\n"+c.text+" }")
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", c.text, err)
		}
		// Nothing of a bad file counts.
		if v.Int("idle") != 1800 {
			t.Errorf("%s: taken in part", c.text)
		}
	}
}

func TestUnknownKeys(t *testing.T) {
	v := New(table)
	unknown, err := load(t, v, "PedServer = {\n Prot = 1;\n ServerCAFile = /x;\n PedConfigFile = /y;\n Port = 2;\n}\nOther = { Prot = 1; }")
	want := []string{"/etc/x.conf:2: unknown key Prot; did you mean Port?", "/etc/x.conf:3: unknown key ServerCAFile"}
	if err != nil || !slices.Equal(unknown, want) || v.Int("port") != 2 {
		t.Errorf("%q %v", unknown, err)
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "x%d = 1;\n", i)
	}
	if unknown, _ = load(t, v, "PedServer = {\n"+many.String()+"}"); len(unknown) != maxUnknown {
		t.Errorf("%d warnings", len(unknown))
	}
}

// TestRelative: a path means the same wherever the daemon stands.
func TestRelative(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	v := New(table)
	if err := line(t, v, "-logfile", "a.log"); err != nil || v.Text("logfile") != filepath.Join(here, "a.log") {
		t.Errorf("%q %v", v.Text("logfile"), err)
	}
	v = New(table)
	if v.Text("local") != "0" {
		t.Error("a switch that nobody has given is not 0")
	}
	if _, err := load(t, v, "PedServer = { LogFileName = b/c.log; PedDevice = unix:x.sock; }"); err != nil || v.Text("logfile") != filepath.Join("/etc", "b/c.log") || v.Text("device") != "unix:"+filepath.Join("/etc", "x.sock") {
		t.Errorf("%q %q %v", v.Text("logfile"), v.Text("device"), err)
	}
}

func TestFlagErrors(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-port 0", "flag -port: 0 is outside 1 to 65535"},
		{"-idle -1", "flag -idle: -1 is outside 0 to 86400 seconds"},
		{"-idle", "flag -idle needs a value <seconds> (0 to 86400 seconds)"},
		{"-idl 5", "unknown flag -idl; did you mean -idle (0 to 86400 seconds)?"},
		{"-format xml", `flag -format: "xml" is not text or json`},
		{"-ip ::1 -ip ::1", "flag -ip: ::1 given twice"},
		{"-loginfo 1 -loginfo 0", "flag -loginfo given twice"},
		{"-logfile=", "flag -logfile: empty value"},
		{"-logfile=a\x1b", `flag -logfile: control character in "a?"`},
		{"-allow nowhere", `flag -allow: "nowhere" is neither an IP address nor a network like 10.0.0.0/8`},
	} {
		err := line(t, New(table), strings.Split(c.args, " ")...)
		if _, ok := errors.AsType[*cmdline.UsageError](err); !ok || err.Error() != c.want {
			t.Errorf("%s: %v", c.args, err)
		}
	}
	v := New(table)
	if err := line(t, v, "-local=0", "-format", "JSON"); err != nil || v.Bool("local") || !v.Given("local") || v.Text("format") != "json" {
		t.Error(err)
	}
}

// TestReload: what changed, sorted by what a daemon takes.
func TestReload(t *testing.T) {
	old := New(table)
	if err := line(t, old, "-loginfo", "0"); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, old, "PedServer = { Port = 1600; IdleTimeout = 60; }"); err != nil {
		t.Fatal(err)
	}
	next := old.CommandLine()
	if _, err := load(t, next, "PedServer = { Port = 1601; LogFileName = /x; LogInfo = 1; IP = ::1; }"); err != nil {
		t.Fatal(err)
	}
	live, restart := Changed(old, next)
	if !slices.Equal(live, []string{"IdleTimeout", "LogFileName"}) || !slices.Equal(restart, []string{"Port", "IP"}) {
		t.Errorf("live %q, restart %q", live, restart)
	}
	merged := old.Take(next)
	if merged.Int("port") != 1600 || merged.Int("idle") != 1800 || merged.Text("logfile") != filepath.FromSlash("/x") || merged.Bool("loginfo") || merged.List("ip") != nil {
		t.Errorf("%+v", merged.All())
	}
	// What needs a restart is told as long as it is so.
	if live, restart = Changed(merged, next); live != nil || !slices.Equal(restart, []string{"Port", "IP"}) {
		t.Errorf("again: live %q, restart %q", live, restart)
	}
	// None of it has touched the values they were made from.
	if old.Int("idle") != 60 || !reflect.DeepEqual(old.Overridden(), []string(nil)) {
		t.Error("the old values have changed")
	}
}

func TestFind(t *testing.T) {
	for name, want := range map[string]string{"LOGFILE": "logfile", "logfilename": "logfile", "LogFileName": "logfile", "idletimeout": "idle", "IP": "ip", "": "", "x": ""} {
		got := ""
		if s := table.Find(name); s != nil {
			got = s.Name
		}
		if got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestUnknownNamePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a name that is not in the table")
		}
	}()
	New(table).Text("nothing")
}

func TestChecks(t *testing.T) {
	long := strings.Repeat("a", 65)
	for _, c := range []struct {
		check     func(string) error
		name      string
		good, bad []string
	}{
		{CheckName, "name", []string{"a", "host-1.example", "A_b"}, []string{"a b", ".a", "-a", "a/b", "a=b", "ä", long}},
		{CheckHost, "host", []string{"10.0.0.1", "::1", "fe80::1%eth0", "host", "a.example.", "1a", "x_y.z"},
			[]string{"123.321.123.321", "10.0.0", "a..b", "-a", "a-", "a b", "a.1", long + ".x", strings.Repeat("a.", 150) + "b"}},
		{CheckNetwork, "network", []string{"10.0.0.1", "10.0.0.0/8", "fd00::/8"}, []string{"10.0.0", "10.0.0.0/33", "fe80::1%eth0", "x"}},
		{CheckSerial, "serial", []string{"7000001", "a-1"}, []string{"a b", "a.b", long}},
	} {
		for _, v := range c.good {
			if err := c.check(v); err != nil {
				t.Errorf("%s %q: %v", c.name, v, err)
			}
		}
		for _, v := range c.bad {
			if c.check(v) == nil {
				t.Errorf("%s %q was taken", c.name, v)
			}
		}
	}
	for v, want := range map[string]string{"::ffff:10.1.2.3": "10.1.2.3/32", "::ffff:10.1.2.3/104": "10.0.0.0/8"} {
		if p, err := ParseNetwork(v); err != nil || p.String() != want {
			t.Errorf("%s: %v, %v", v, p, err)
		}
	}
	if p, err := ParseNetwork("10.1.2.3/8"); err != nil || p.String() != "10.0.0.0/8" {
		t.Error(p, err)
	}
}

// abs returns what a path means in the folder of the test.
func abs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
