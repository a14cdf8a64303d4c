package face

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"openped/softped"
	"openped/softped/softpedtest"
)

func script(t *testing.T, echo bool, lines ...string) (string, error) {
	t.Helper()
	p, _ := softpedtest.NewPED(t, nil)
	var out bytes.Buffer
	err := (&Script{PED: p, Out: &out, Echo: echo}).Run(t.Context(), strings.NewReader(strings.Join(lines, "\n")))
	return out.String(), err
}

func TestScript(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{[]string{"screen"}, "|Remote PED mode     |\n|Awaiting command... |\n" + strings.Repeat("|                    |\n", 5) + "|SOFTWARE PED        |\nok idle\n"},
		{[]string{"wait idle", "wait idle 0"}, "ok idle\nerr screen idle did not come: context deadline exceeded; the PED shows idle\n"},
		{[]string{"press <", "wait x|menu 5", "press 7", "wait idle", "mode pair", "wait idle"}, "ok\nok menu\nok\nok idle\nok\nok idle\n"},
		{[]string{"", "# a remark", "  keys  ", "blank b1", "blank b1", "keys", "insert b1", "insert b2", "remove"},
			"ok\nok\nerr FILE: a PED key of this name exists; choose another name\nok b1\nok\nerr \"b2\": no such PED key\nok\n"},
		{[]string{"press 12x4", "press", "dance", "mode x", "wait", "wait idle x", "wait idle -1", "wait a 1 2"},
			"err " + softped.ErrKey.Error() + "\nerr " + softped.ErrKey.Error() + "\nerr unknown command: use insert, remove, press, wait, screen, keys, blank, mode, plug, unplug or quit\nerr " +
				softped.ErrMode.Error() + "\nerr usage: wait SCREEN[|SCREEN…] [SECONDS]\nerr seconds are 0 to 3600\nerr seconds are 0 to 3600\nerr usage: wait SCREEN[|SCREEN…] [SECONDS]\n"},
	} {
		got, err := script(t, false, c.lines...)
		if err != nil {
			t.Errorf("%q: %v", c.lines, err)
		}
		for _, l := range strings.Split(got, "\n") { // the key's path changes
			if i := strings.Index(l, ".pedkey:"); i > 0 {
				got = strings.Replace(got, l[len("err "):i+len(".pedkey")], "FILE", 1)
			}
		}
		if got != c.want {
			t.Errorf("%q:\n%s\nwant:\n%s", c.lines, got, c.want)
		}
	}
}

func TestScriptEnds(t *testing.T) {
	if out, err := script(t, false, "quit", "screen"); !errors.Is(err, ErrQuit) || out != "ok\n" {
		t.Errorf("%q %v", out, err)
	}
	if _, err := script(t, false, "press "+strings.Repeat("1", 300)); err == nil {
		t.Error("endless line taken")
	}
	p, _ := softpedtest.NewPED(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- (&Script{PED: p, Out: io.Discard}).Run(ctx, r) }()
	if _, err := io.WriteString(w, "wait never 100\n"); err != nil {
		t.Fatal(err)
	}
	stop()
	w.Close()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestScriptEcho(t *testing.T) {
	out, err := script(t, true, "wait idle", "press <", "wait menu", "quit")
	if !errors.Is(err, ErrQuit) {
		t.Fatal(err)
	}
	if !strings.Contains(out, "screen idle\n|Remote PED mode     |\n") {
		t.Errorf("%s", out)
	}
}

// A PIN does not stay in the line buffer.
func TestScriptForgetsPIN(t *testing.T) {
	p, _ := softpedtest.NewPED(t, nil)
	in := &recordingReader{s: "press 31415926E\nscreen\n"}
	if err := (&Script{PED: p, Out: io.Discard}).Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(in.last[:cap(in.last)], []byte("31415926")) {
		t.Error("the PIN is still in the buffer")
	}
}

// recordingReader remembers the buffer it was given.
type recordingReader struct {
	s    string
	last []byte
}

func (r *recordingReader) Read(b []byte) (int, error) {
	if r.s == "" {
		return 0, io.EOF
	}
	n := copy(b, r.s)
	r.s, r.last = r.s[n:], b
	return n, nil
}
