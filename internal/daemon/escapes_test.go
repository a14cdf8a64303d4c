//go:build unix

package daemon_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"openped/internal/daemon"
	"openped/internal/rundir"
	"openped/internal/setting"
)

// TestDaemonSteersNoTerminal plays a daemon whose answers have sequences for the
// terminal of who asks, root above all: they do not get there, and JSON has them
// escaped.
//
// Without Printable in Reload, printReloaded and row they do in text, without
// escapeControls those of one character (C1) do in JSON.
func TestDaemonSteersNoTerminal(t *testing.T) {
	dir, err := os.MkdirTemp("", "steers")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv(rundir.Env, dir)
	const evil = "a\x1b]0;title\a\u009b2J\u0085b\x7f"
	conf := filepath.Join(dir, "fake.conf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "fake.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var answer any
			switch r.URL.Path {
			case "/v1/config":
				answer = daemon.Running{File: conf, Settings: []setting.Effective{{Name: "port", Key: evil, Value: evil, Unit: evil, Origin: evil, Where: evil}}}
			case "/v1/reload":
				list := []string{evil, evil}
				answer = daemon.Reloaded{File: evil, Applied: list, Restart: list, Overridden: list, Warnings: list}
			case "/v1/show":
				answer = map[string]string{"pings": evil}
			default:
				w.WriteHeader(http.StatusInternalServerError)
				answer = map[string]string{"error": evil, "hint": evil}
			}
			_ = json.NewEncoder(w).Encode(answer)
		}))
	}()
	for _, line := range []string{
		"-mode reload", "-mode reload -format json", "-mode config -show", "-mode config -show -format json", "-mode config -set Port 1600",
		"-mode config -set Port 1601 -format json", "-mode show -format json", "-mode stop -stoptimeout 1",
	} {
		var out, errs strings.Builder
		_ = fake.Main(strings.Fields(line), &out, &errs)
		all := out.String() + errs.String()
		if strings.ContainsFunc(all, func(r rune) bool { return r != '\n' && (r < 0x20 || r >= 0x7f && r < 0xa0) }) {
			t.Errorf("%s:\n%q", line, all)
		}
		asJSON := strings.HasSuffix(line, "json")
		if asJSON && !json.Valid([]byte(out.String())) {
			t.Errorf("%s: no JSON any more: %q", line, out.String())
		}
		if asJSON && !strings.Contains(all, `\u009b2J`) {
			t.Errorf("%s: what it said is lost: %q", line, all)
		}
		if !strings.Contains(line, "stop") && !asJSON && !strings.Contains(all, "]0;title?") {
			t.Errorf("%s: nothing was tried: %q", line, all)
		}
	}
}
