//go:build !linux && !windows

package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path"
	"strings"

	"github.com/kardianos/service"

	"openped/internal/atomicfile"
	"openped/internal/rundir"
)

const onWindows = false

func runFlags(k Kind) []string { return k.RunFlags }

func label(name string) string           { return Label(name) }
func account(s Spec) string              { return systemUser(s.Program) }
func finish(context.Context, Spec) error { return nil }

// systemUser is the user of a program's services, whose name begins as those of all
// services do here.
func systemUser(program string) string { return "_" + program }

// Query returns how a service stands. One that is not there is no error.
func Query(_ context.Context, name string) (State, error) {
	st := State{Name: name, Manager: "launchd", Phase: Stopped, Definition: "/Library/LaunchDaemons/" + Label(name) + ".plist"}
	m, err := manage(Spec{Name: name})
	if err != nil {
		return st, fmt.Errorf("%w: %w", ErrNoManager, err)
	}
	now, err := m.Status()
	if errors.Is(err, service.ErrNotInstalled) {
		return st, nil
	}
	if err != nil {
		return st, err
	}
	st.Installed, st.AtBoot, st.Said = true, true, said(name)
	if b, err := os.ReadFile(st.Definition); err == nil { // the first argument is the program
		_, args, _ := strings.Cut(string(b), "<array>")
		_, args, _ = strings.Cut(args, "<string>")
		exe, _, _ := strings.Cut(args, "</string>")
		st.Program = path.Base(exe)
	}
	if now == service.StatusRunning {
		st.Phase = Running
	}
	return st, nil
}

func why(_ context.Context, _ State, asked error) string {
	if asked != nil {
		return asked.Error()
	}
	return ""
}

// prepare makes the folders, which are the user's; making users is the
// administrator's.
func prepare(_ context.Context, s Spec) error {
	u, err := user.Lookup(systemUser(s.Program))
	if err != nil {
		return fmt.Errorf("there is no user %s; make it and its group of the same name first", systemUser(s.Program))
	}
	d, err := rundir.Service(s.Name)
	if err != nil {
		return err
	}
	var uid, gid int
	if _, err := fmt.Sscan(u.Uid+" "+u.Gid, &uid, &gid); err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(d.Data, 0o700), os.Lchown(d.Data, uid, gid)); err != nil {
		return err
	}
	// The others are below it, in what is the user's then.
	return errors.Join(atomicfile.MkdirAll(d.State, 0o750), atomicfile.MkdirAll(d.Run, 0o750))
}

func removable(context.Context, string) error { return nil }
func forget(_ context.Context, name string)   { removeSaid(name) }

func takeBack(m service.Service, _ Spec)   { _ = m.Uninstall() }
func reachable(string) error               { return nil }
func unsay(_ context.Context, name string) { removeSaid(name) }

// Visible has nothing to say: a service sees what its user may read.
func Visible(string) error { return nil }

func begin(ctx context.Context, m service.Service, _ string) error { return within(ctx, m.Start) }
func end(ctx context.Context, m service.Service, _ string) error   { return within(ctx, m.Stop) }

// Run is for Windows.
func Run(string, func(context.Context, *Self) error) error { return ErrUnsupported }

// Detect returns the Self of the service called name.
func Detect(name string) *Self {
	if name == "" || os.Getppid() != 1 {
		return nil
	}
	return fileSelf(name, nil)
}

// Readable has nothing to say: the daemon does if it can not read its file.
func Readable(string, string) error { return nil }
