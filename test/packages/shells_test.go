package packages

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestShells types into real shells, with the completions of the packages: what Tab
// makes of a line.
func TestShells(t *testing.T) {
	home := t.TempDir()
	for _, p := range built(t, "deb") {
		if p.arch == "amd64" || len(built(t, "deb")) == len(names) {
			run(t, "dpkg-deb", "-x", p.path, filepath.Join(home, "root"))
		}
	}
	if err := os.WriteFile(filepath.Join(home, "a-long-name"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	share := filepath.Join(home, "root/usr/share")
	shells := []struct {
		name  string
		args  []string
		setup string
	}{
		{"bash", []string{"--norc", "--noprofile", "-i"}, "for f in " + share + "/bash-completion/completions/*; do . $f; done; bind 'set bell-style none'"},
		{"zsh", []string{"-f", "-i"}, "fpath=(" + share + "/zsh/vendor-completions $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep"},
		{"fish", []string{"--private", "-i"}, "set fish_greeting; set -g fish_complete_path " + share + "/fish/vendor_completions.d $fish_complete_path"},
	}
	for _, s := range shells {
		t.Run(s.name, func(t *testing.T) {
			if _, err := exec.LookPath(s.name); err != nil {
				t.Skip("there is no ", s.name)
			}
			sh := start(t, home, s.name, s.args, s.setup)
			for _, c := range []struct{ typed, want string }{
				{"pedserver -mo", "pedserver -mode "},
				{"pedserver -mode conf", "pedserver -mode config "},
				{"pedserver -mode start -pedd", "pedserver -mode start -peddevice "},
				{"pedserver -mode start -configfile a-l", "pedserver -mode start -configfile a-long-name "},
				{"pedserver -mode start -peddevice unix:a-l", "pedserver -mode start -peddevice unix:a-long-name"},
				{"pedserver -appliance reg", "pedserver -appliance register "},
				{"pedserver -appliance register -cert", "pedserver -appliance register -certificate "},
				{"pedclient -mode show -format j", "pedclient -mode show -format json "},
				{"pedclient -mode createhsm -ori", "pedclient -mode createhsm -origin "},
				{"softped -face scr", "softped -face script "},
				{"softped -lis", "softped -listen "},
				{"softped -service inst", "softped -service install "},
				{"pedclient -service sta", "pedclient -service sta"}, // start, status
				{"pedserver -service unin", "pedserver -service uninstall "},
				{"hsmcm -slot 1 ped conn", "hsmcm -slot 1 ped connect "},
				{"hsmcm role login -na", "hsmcm role login -name "},
				{"hsmcm ped vector in", "hsmcm ped vector init "},
			} {
				if got := sh.tab(c.typed); strings.TrimRight(got, " ") != strings.TrimRight(c.want, " ") {
					t.Errorf("Tab after %q makes it %q", c.typed, got)
				}
			}
		})
	}
}

// shell is one that believes to be at a terminal.
type shell struct {
	t    *testing.T
	tty  *os.File
	said chan []byte
	n    int
}

func start(t *testing.T, home, name string, args []string, setup string) *shell {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "PATH=" + filepath.Join(home, "root/usr/bin") + ":" + os.Getenv("PATH"), "TERM=dumb", "LC_ALL=C.UTF-8", "PS1=", "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home}
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 300})
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, tty: tty, said: make(chan []byte, 64)}
	go func() {
		defer close(s.said)
		for {
			b := make([]byte, 4096)
			n, err := tty.Read(b)
			if err != nil {
				return
			}
			s.said <- b[:n]
		}
	}()
	t.Cleanup(func() {
		_ = tty.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s.line(setup + "; echo set''up")
	s.until("setup\r\n")
	return s
}

func (s *shell) line(text string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(text + "\r"); err != nil {
		s.t.Fatal(err)
	}
}

// until reads until text has come, and returns all that came.
func (s *shell) until(text string) string {
	s.t.Helper()
	var all bytes.Buffer
	late := time.After(30 * time.Second)
	for {
		select {
		case b, ok := <-s.said:
			all.Write(b)
			if strings.Contains(all.String(), text) {
				return all.String()
			}
			if !ok {
				s.t.Fatalf("the shell has ended: %q", all.String())
			}
		case <-late:
			s.t.Fatalf("%q did not come: %q", text, all.String())
		}
	}
}

// tab types a line and Tab, and has the shell say what the line is then.
func (s *shell) tab(text string) string {
	s.t.Helper()
	s.n++
	begin, end := fmt.Sprintf("<%d:", s.n), fmt.Sprintf(":%d>", s.n)
	// Quoted in two parts, so that the line itself is not taken for what it prints.
	s.line(text + "\t\x01echo '" + begin[:1] + "''" + begin[1:] + "\x05" + end[:1] + "''" + end[1:] + "'")
	all := s.until(end + "\r\n")
	from := strings.LastIndex(all, begin)
	if from < 0 {
		s.t.Fatalf("%q: %q", text, all)
	}
	return all[from+len(begin) : strings.LastIndex(all, end)]
}
