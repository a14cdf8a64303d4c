package service

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/kardianos/service"

	"openped/internal/rundir"
)

const onWindows = false

func runFlags(k Kind) []string { return k.RunFlags }

// unitFolder is where an administrator's units are; those of packages are
// elsewhere, and are the packages' to remove.
const unitFolder = "/etc/systemd/system"

func label(name string) string           { return name }
func account(Spec) string                { return "" } // the unit says it
func finish(context.Context, Spec) error { return nil }

// unsay has systemd forget that it has given the service up, and why.
func unsay(ctx context.Context, name string) { _, _ = systemctl(ctx, "reset-failed", name+".service") }

// begin and end start and stop a service. kardianos would not pass on what systemd
// complains of.
func begin(ctx context.Context, _ service.Service, name string) error {
	_, err := systemctl(ctx, "start", name+".service")
	return err
}

func end(ctx context.Context, _ service.Service, name string) error {
	_, err := systemctl(ctx, "stop", name+".service")
	return err
}

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
	ctx, cancel := context.WithTimeout(ctx, actionTime)
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
	words := []string{"systemd says:"}
	if out, err := systemctl(ctx, "show", "--property=Result,ExecMainStatus", st.Name+".service"); err == nil {
		words = append(words, strings.Join(strings.Fields(out), ", "))
	}
	if asked != nil {
		words = append(words, asked.Error())
	}
	return strings.Join(append(words, "see  journalctl -u "+st.Name), "; ")
}

// takeBack removes what a failed installation has left of the definition.
func takeBack(_ service.Service, s Spec) {
	ctx := context.Background()
	unit := filepath.Join(unitFolder, s.Definition())
	if b, err := os.ReadFile(unit); err == nil && string(b) == s.Unit() {
		_, _ = systemctl(ctx, "disable", s.Definition())
		_ = os.Remove(unit)
		_, _ = systemctl(ctx, "daemon-reload")
	}
}

// prepare makes the user and the groups where they are missing, and opens the
// folders that services share.
func prepare(ctx context.Context, s Spec) error {
	d, err := rundir.Service(s.Name)
	if err != nil {
		return err
	}
	for _, dir := range []string{d.Run, d.State, d.Data} {
		if err := rundir.MakeTop(dir); err != nil {
			return err
		}
	}
	if s.Controller != "" {
		return nil // root's
	}
	_, missing := user.Lookup(s.Program)
	for _, g := range append([]string{s.Program}, s.Groups...) {
		if _, err := user.LookupGroup(g); err != nil {
			missing = err
		}
	}
	if missing == nil {
		return nil
	}
	if _, err := command(ctx, s.Sysusers(), "systemd-sysusers", "-"); err != nil {
		return fmt.Errorf("user %s: %w", s.Program, err)
	}
	return nil
}

// closed are the folders that services do not see (ProtectHome, PrivateTmp).
var closed = []string{"/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"}

// Visible returns an error for a path that a service does not see.
func Visible(path string) error {
	for _, c := range closed {
		if strings.HasPrefix(filepath.Clean(path)+"/", c) {
			return fmt.Errorf("a service sees nothing in %s, where %s is", c, path)
		}
	}
	return nil
}

// reachable refuses a program that the service would not see, or that others than
// root could put another one in place of.
func reachable(exe string) error {
	if err := Visible(exe); err != nil {
		return fmt.Errorf("%w: copy it to /usr/local/bin first", err)
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
	_ = os.Remove("/run/openped") // if it was the last one; else it is not empty
}

// Run is for Windows.
func Run(string, func(context.Context, *Self) error) error { return ErrUnsupported }

// Readable returns an error for a configuration file that is there, and that the
// services of a program could not read.
func Readable(path, program string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil // what is not there is not read
	}
	if err := Visible(real); err != nil {
		return fmt.Errorf("%w: put it elsewhere", err)
	}
	u, _ := user.Lookup(program)
	for p, bit := real, fs.FileMode(0o4); ; p, bit = filepath.Dir(p), 0o1 { // read the file, pass the folders
		fi, err := os.Stat(p)
		if err != nil {
			return err
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		switch {
		case ok && u != nil && u.Uid == strconv.Itoa(int(st.Uid)):
			bit <<= 6
		case ok && u != nil && u.Gid == strconv.Itoa(int(st.Gid)):
			bit <<= 3
		}
		if fi.Mode()&bit == 0 {
			return fmt.Errorf("%s is closed to the service's user %s, who has to read %s: run chmod a+rX on it", p, program, path)
		}
		if p == "/" {
			return nil
		}
	}
}
