package service

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/kardianos/service"
)

const onWindows = false

func runFlags(k Kind) []string { return k.RunFlags }

// unitFolder is where an administrator's units are; those of packages are
// elsewhere, and are the packages' to remove.
const unitFolder = "/etc/systemd/system"

func label(name string) string           { return name }
func account(Spec) string                { return "" } // the unit says it
func unsay(string)                       {}            // systemd forgets it at a start
func finish(context.Context, Spec) error { return nil }

// systemctl asks systemd, which must be there.
func systemctl(ctx context.Context, args ...string) (string, error) {
	if service.Platform() != "linux-systemd" {
		return "", fmt.Errorf("%w: systemd does not run here", ErrNoManager)
	}
	return command(ctx, "", "systemctl", append([]string{"--no-ask-password", "--no-pager"}, args...)...)
}

// command runs a program of the system and returns what it prints, or the last
// line of its complaint.
func command(ctx context.Context, in, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0")
	cmd.Stdin = strings.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && errs.Len() > 0 {
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		err = fmt.Errorf("%s: %s", name, lines[len(lines)-1])
	}
	return out.String(), err
}

// Query returns how a service stands. One that is not there is no error.
func Query(ctx context.Context, name string) (State, error) {
	out, err := systemctl(ctx, "show", "--property=LoadState,ActiveState,SubState,UnitFileState,MainPID,FragmentPath,StatusText,NRestarts,ExecStart", name+".service")
	if err != nil {
		return State{}, err
	}
	return readShow(name, out), nil
}

// readShow reads the answer of "systemctl show".
func readShow(name, out string) State {
	v := map[string]string{}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		v[key] = value
	}
	st := State{Name: name, Manager: "systemd", Installed: v["LoadState"] != "not-found" && v["LoadState"] != "", Definition: v["FragmentPath"], Said: v["StatusText"]}
	st.AtBoot = strings.HasPrefix(v["UnitFileState"], "enabled")
	st.PID, _ = strconv.Atoi(v["MainPID"])
	st.Restarts, _ = strconv.Atoi(v["NRestarts"])
	_, argv, _ := strings.Cut(v["ExecStart"], "argv[]=")
	argv, _, _ = strings.Cut(argv, " ; ")
	words := strings.Fields(argv)
	if len(words) > 0 {
		st.Program = path.Base(words[0])
	}
	for i, w := range words {
		if w == "-configfile" && i+1 < len(words) {
			st.ConfigFile = words[i+1]
		}
	}
	switch active, sub := v["ActiveState"], v["SubState"]; {
	case sub == "auto-restart":
		st.Phase = Retrying
	case active == "active", active == "reloading":
		st.Phase = Running
	case active == "activating":
		st.Phase = Starting
	case active == "deactivating":
		st.Phase = Stopping
	case active == "failed":
		st.Phase = Failed
	default:
		st.Phase = Stopped
	}
	return st
}

// serving reports whether the service serves, or what it said of why not. The
// unit is of type notify: who runs has said that he is ready.
func serving(st State) (ready bool, said string) {
	if st.Phase == Running {
		return true, ""
	}
	if cause, ok := strings.CutPrefix(st.Said, failedMark); ok {
		return false, cause
	}
	return false, ""
}

// why is what systemd knows of a service that said nothing.
func why(ctx context.Context, st State, asked error) string {
	out, err := systemctl(ctx, "show", "--property=Result,ExecMainCode,ExecMainStatus", st.Name+".service")
	if err == nil {
		return "systemd says: " + strings.Join(strings.Fields(out), ", ") + "; see  journalctl -u " + st.Name
	}
	if asked != nil {
		return asked.Error()
	}
	return ""
}

// prepare makes the user and the groups where they are missing.
func prepare(ctx context.Context, s Spec) (undo func(), err error) {
	undo = func() {
		unit := filepath.Join(unitFolder, s.Definition())
		if b, err := os.ReadFile(unit); err == nil && string(b) == s.Unit() {
			_, _ = systemctl(context.Background(), "disable", s.Definition())
			_ = os.Remove(unit)
			_, _ = systemctl(context.Background(), "daemon-reload")
		}
	}
	if err := reachable(s.Path); err != nil {
		return undo, err
	}
	if s.Controller != "" {
		return undo, nil // root's
	}
	_, missing := user.Lookup(s.Program)
	for _, g := range append([]string{s.Program}, s.Groups...) {
		if _, err := user.LookupGroup(g); err != nil {
			missing = err
		}
	}
	if missing == nil {
		return undo, nil
	}
	if _, err := command(ctx, s.Sysusers(), "systemd-sysusers", "-"); err != nil {
		return undo, fmt.Errorf("user %s: %w", s.Program, err)
	}
	return undo, nil
}

// reachable refuses a program that the service would not see, or that others than
// root could put another one in place of.
func reachable(exe string) error {
	for _, closed := range []string{"/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"} {
		if strings.HasPrefix(exe, closed) {
			return fmt.Errorf("a service sees nothing in %s, where its program is: copy %s to /usr/local/bin first", closed, exe)
		}
	}
	for p := exe; ; p = filepath.Dir(p) {
		fi, err := os.Stat(p)
		if err != nil {
			return err
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 || fi.Mode().Perm()&0o022 != 0 && fi.Mode()&os.ModeSticky == 0 {
			return fmt.Errorf("%s can be changed by others than root: copy %s to /usr/local/bin first", p, exe)
		}
		if p == "/" {
			return nil
		}
	}
}

// removable refuses a service that a package brought.
func removable(ctx context.Context, name string) error {
	st, err := Query(ctx, name)
	if err != nil {
		return err
	}
	if filepath.Dir(st.Definition) != unitFolder {
		return fmt.Errorf("service %s: %w", name, &PackagedError{st.Definition})
	}
	return nil
}

// forget takes away what systemd remembers of a service that is gone.
func forget(ctx context.Context, name string) {
	_, _ = systemctl(ctx, "reset-failed", name+".service")
	_ = os.Remove("/run/openped") // if it was the last one
}

// Run is for Windows.
func Run(string, func(context.Context, *Self) error) error { return ErrUnsupported }
