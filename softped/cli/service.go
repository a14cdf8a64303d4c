package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/localsock"
	"openped/internal/rundir"
	"openped/internal/service"
)

// Kind is softped as a service. Packages leave its flags to a file; a service that
// was installed with flags of its own has them in its definition.
var Kind = service.Kind{
	Program: "softped", Description: "a PED in software, for tests and training", Manual: "softped(8)",
	Groups: []string{pedGroup}, Shared: true, Environment: "/etc/default/softped",
	RunFlags: []string{"-face", "none"},
}

// pedGroup are those who may use PEDs, on a cable or in software.
const pedGroup = "openped"

const serviceUsage = `softped: a PED in software, as a service of this computer (Linux, macOS).

  softped -service install [-name <name>] [flags]    make it, with softped's flags
  softped -service uninstall [-name <name>]          stop it and take it away
  softped -service start|stop|restart|status [-name <name>]

Without -name it is the service called softped. Its state and its PED keys are in
/var/lib/openped/NAME, its sockets in /run/openped/NAME; members of the group
openped may plug it in. -face is none: it is operated through -control.
`

// ServiceWords are what -service can do.
var ServiceWords = []string{"install", "uninstall", "start", "stop", "restart", "status"}

// isService reports whether a command line is about the service, "-service WORD".
func isService(args []string) bool {
	return len(args) > 0 && strings.EqualFold(strings.TrimLeft(strings.SplitN(args[0], "=", 2)[0], "-"), "service")
}

// runService carries it out.
func runService(args []string, out io.Writer) error {
	_, word, rest, err := cmdline.Choose(args, []cmdline.Top{{Name: "service", Words: ServiceWords}})
	if err != nil {
		return err
	}
	if word == "" { // -help
		_, err := io.WriteString(out, serviceUsage)
		return err
	}
	name, flags, err := cutName(rest)
	if err != nil {
		return err
	}
	if len(flags) > 0 && word != "install" {
		return &cmdline.UsageError{Msg: "-service " + word + " takes no flags but -name", Hint: "flags are for -service install"}
	}
	ctx := context.Background()
	switch word {
	case "install":
		return installService(ctx, out, name, flags)
	case "uninstall":
		if err = service.Uninstall(ctx, Kind.Program, name); err == nil {
			d, _ := rundir.Service(name)
			fmt.Fprintf(out, "Service %s stopped and removed.\nKept, if it was there: %s\n", name, d.Data)
		}
	case "stop":
		if err = service.Stop(ctx, Kind.Program, name); err == nil {
			fmt.Fprintf(out, "Service %s stopped.\n", name)
		}
	case "status":
		var st service.State
		if st, err = service.Query(ctx, name); err == nil {
			st.Show(out)
			return st.NotRunning(Kind.Program)
		}
	default:
		start := map[string]func(_ context.Context, program, name string) (service.State, error){"start": service.Start, "restart": service.Restart}[word]
		st, err := start(ctx, Kind.Program, name)
		return st.Begun(out, Kind.Program, err)
	}
	if err != nil {
		return service.Explain(err, Kind.Program)
	}
	return nil
}

// cutName takes -name out of the flags.
func cutName(args []string) (name string, flags []string, err error) {
	name = Kind.Program
	for i := 0; i < len(args); i++ {
		flag, value, inline := strings.Cut(args[i], "=")
		if !strings.HasPrefix(flag, "-") || !strings.EqualFold(strings.TrimLeft(flag, "-"), "name") {
			flags = append(flags, args[i])
			continue
		}
		if !inline {
			if i++; i == len(args) {
				return "", nil, &cmdline.UsageError{Msg: "flag -name needs a value <name>"}
			}
			value = args[i]
		}
		if err := rundir.CheckServiceName(value); err != nil {
			return "", nil, &cmdline.UsageError{Msg: "flag -name: " + err.Error()}
		}
		name = value
	}
	return name, flags, nil
}

// installService makes the service, if softped would take its flags.
func installService(ctx context.Context, out io.Writer, name string, flags []string) error {
	if runtime.GOOS == "windows" {
		return &cmdline.UsageError{Msg: "softped is no service on Windows", Hint: "start it in a console"}
	}
	o, err := readFlags(slices.Concat(Kind.RunFlags, []string{"-instance", name}, flags), out)
	if err != nil {
		return err
	}
	if err := o.visible(); err != nil {
		return err
	}
	s := service.Spec{Kind: Kind, Name: name, Args: flags, Controller: o.usb.controller}
	if o.usb.vhci {
		return &cmdline.UsageError{Msg: "-vhci is not for a service", Hint: "it is for tests: start softped as root"}
	}
	if len(flags) > 0 || name != Kind.Program {
		s.Environment = ""
	}
	return service.InstallAndStart(ctx, out, s)
}

// visible refuses paths that are others to a service than to whoever types them, and
// sockets that nobody would find.
func (o *options) visible() error {
	paths := append([]string{o.keys, o.state, o.logPath}, o.roots...)
	for _, s := range []string{o.listen, o.control} {
		if !localsock.IsPipe(s) {
			paths = append(paths, s)
		}
	}
	for _, p := range paths {
		if p == "" {
			continue
		}
		if !filepath.IsAbs(p) {
			return &cmdline.UsageError{Msg: "a service has no current folder: " + cmdline.Printable(p), Hint: "give the whole path"}
		}
		if err := service.Visible(p); err != nil {
			return &cmdline.UsageError{Msg: cmdline.Printable(err.Error()), Hint: "give another path, such as one in /var/lib/openped or /run/openped"}
		}
	}
	return nil
}
