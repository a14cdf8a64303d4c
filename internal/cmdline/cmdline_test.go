package cmdline

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"openped/internal/rc"
)

type opts struct {
	ip    string
	port  int
	idle  time.Duration
	bit   bool
	force bool
	hsm   []string
}

func parse(args ...string) (opts, []string, error) {
	var o opts
	s := new(Set)
	s.Add(
		&Flag{Name: "ip", Value: "address", Set: String(&o.ip)},
		&Flag{Name: "port", Value: "port", Set: Port(&o.port)},
		&Flag{Name: "idletimeout", Value: "seconds", Range: "0 to 1000 seconds", Set: Seconds(&o.idle, 0, 1000)},
		&Flag{Name: "loginfo", Value: "0 or 1", Set: Bit(&o.bit)},
		&Flag{Name: "force", Set: Switch(&o.force)},
		&Flag{Name: "hsm", Aliases: []string{"hsmfile"}, Value: "file", Many: true, Set: Strings(&o.hsm)},
	)
	rest, err := s.Parse(args)
	return o, rest, err
}

func TestParse(t *testing.T) {
	o, rest, err := parse("-IP", "::1", "--port=1600", "-idletimeout", "30", "-loginfo", "1", "-force", "-hsm", "a", "x", "-hsmfile", "b", "-")
	if err != nil {
		t.Fatal(err)
	}
	want := opts{"::1", 1600, 30 * time.Second, true, true, []string{"a", "b"}}
	if !reflect.DeepEqual(o, want) || !reflect.DeepEqual(rest, []string{"x", "-"}) {
		t.Errorf("got %+v %q", o, rest)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-idletimout 5", "unknown flag -idletimout; did you mean -idletimeout (0 to 1000 seconds)?"},
		{"-prot 5", "unknown flag -prot; did you mean -port?"},
		{"-idle 5", "unknown flag -idle; did you mean -idletimeout (0 to 1000 seconds)?"},
		{"-zzzzzzz", "unknown flag -zzzzzzz; -help lists them"},
		{"-port", "flag -port needs a value <port>"},
		{"-ip -port 3", "flag -ip needs a value <address>"},
		{"-port 0", "flag -port: 0 is outside 1 to 65535"},
		{"-port 99999999999999999999", `flag -port: "99999999999999999999" is not a whole number`},
		{"-idletimeout -1", "flag -idletimeout: -1 is outside 0 to 1000 (seconds)"},
		{"-loginfo 2", `flag -loginfo: "2" is neither 0 nor 1`},
		{"-force=yes", "flag -force takes no value"},
		{"-idletimeout", "flag -idletimeout needs a value <seconds> (0 to 1000 seconds)"},
		{"-port 1 -port 2", "flag -port given twice"},
		{"-hsm=", "flag -hsm: empty value"},
		{"-a\x1b[2J", "unknown flag -a?[2J; -help lists them"},
	} {
		_, _, err := parse(strings.Split(c.args, " ")...)
		var ue *UsageError
		if !errors.As(err, &ue) || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.args, err, c.want)
		}
	}
}

var tops = []Top{
	{Name: "mode", Short: "m", Words: []string{"start", "stop", "show"}},
	{Name: "appliance", Words: []string{"register", "list"}},
	{Name: "regen"},
}

func TestChoose(t *testing.T) {
	for _, c := range []struct{ args, top, rest, err string }{
		{"-mode start -x", "mode start", "-x", ""},
		{"mode show", "mode show", "", ""},
		{"-m stop", "mode stop", "", ""},
		{"m stop", "mode stop", "", ""},
		{"-M Stop", "mode stop", "", ""},
		{"--mode=Start a b", "mode start", "a b", ""},
		{"-name x -mode start", "mode start", "-name x", ""},
		{"-appliance list", "appliance list", "", ""},
		{"appliance LIST -x", "appliance list", "-x", ""},
		{"-regen -commonname x", "regen", "-commonname x", ""},
		{"regen -commonname mode", "regen", "-commonname mode", ""},
		{"", "help", "", ""},
		{"-help", "help", "", ""},
		{"help", "help", "", ""},
		{"-help all", "help", "all", ""},
		{"-mode start -ip -help", "help", "-mode start -ip", ""},
		{"-version", "version", "", ""},
		{"-mode", "", "", "-mode needs a value; one of start, stop, show"},
		{"-mode -name x", "", "", "-mode needs a value; one of start, stop, show"},
		{"-mode strat", "", "", `unknown mode "strat"; did you mean -mode start?`},
		{"-mode qqqqqq", "", "", `unknown mode "qqqqqq"; one of start, stop, show`},
		{"-appliance lits", "", "", `unknown appliance "lits"; did you mean -appliance list?`},
		{"-regen=1", "", "", "-regen takes no value"},
		{"start", "", "", "unknown option start; did you mean -mode start?"},
		{"list", "", "", "unknown option list; did you mean -appliance list?"},
		{"-modes start", "", "", "unknown option -modes; did you mean -mode?"},
		{"-zzzzzz", "", "", "unknown option -zzzzzz; begin with -mode or -appliance or -regen"},
		{"-mode start -mode stop", "", "", "two top-level options: -mode start and -mode stop; give one of them"},
		{"-mode start -appliance list", "", "", "two top-level options: -mode start and -appliance list; give one of them"},
		{"-regen -mode stop", "", "", "two top-level options: -regen and -mode stop; give one of them"},
	} {
		top, word, rest, err := Choose(strings.Fields(c.args), tops)
		if strings.TrimSpace(top+" "+word) != c.top || strings.Join(rest, " ") != c.rest || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%q: %q %q %q %v", c.args, top, word, rest, err)
		}
	}
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		out  string
	}{
		{nil, ExitOK, ""},
		{errors.New("a\nb"), ExitFailed, "p: a?b\n"},
		{&UsageError{Msg: "m", Hint: "h"}, ExitUsage, "p: m; h\n"},
		{fmt.Errorf("w: %w", &ExitError{Code: ExitNotRunning, Err: errors.New("e")}), ExitNotRunning, "p: w: e\n"},
		{Failed(errors.New("e"), "do it"), ExitFailed, "p: e; do it\n"},
		{&ExitError{Code: ExitFailed, RC: rc.LegacyMode, Err: errors.New("e")}, ExitFailed, "p: 0xc0001007 RC_LEGACY_MODE: e\n"},
	} {
		var b bytes.Buffer
		if code := Report(&b, "p", c.err); code != c.code || b.String() != c.out {
			t.Errorf("%v: %d %q", c.err, code, b.String())
		}
	}
}

func TestUsage(t *testing.T) {
	s := new(Set)
	s.Add(&Flag{Name: "ip", Value: "address", Usage: "listen on"})
	if got := s.Usage(); got != "  -ip <address>                    listen on\n" {
		t.Errorf("%q", got)
	}
}

// FuzzCommandLine: whatever is typed is understood or refused in one line.
func FuzzCommandLine(f *testing.F) {
	for _, s := range []string{"-mode start -port 1", "mode stop", "-m\x00show\x00-force=0", "-regen -h", "-appliance= list", "--", "-=", "-force=\x1b"} {
		f.Add(strings.ReplaceAll(s, " ", "\x00"))
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		check := func(err error) bool {
			if err == nil {
				return true
			}
			if ue, ok := errors.AsType[*UsageError](err); !ok || ue.Msg == "" || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q: %q", args, err)
			}
			return false
		}
		_, _, rest, err := Choose(args, tops)
		if check(err) {
			_, _, err = parse(rest...)
			check(err)
		}
	})
}
