package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"openped/internal/admin"
	"openped/internal/cmdline"
	"openped/internal/conffile"
	"openped/internal/rc"
	"openped/internal/rundir"
	"openped/internal/service"
	"openped/internal/setting"
)

// clientFolder names the folder of the vendor's client configuration.
const clientFolder = "ChrystokiConfigurationPath"

// pathKey names the program's own file in it.
const pathKey = "PedConfigFile"

// Running is the answer to GET /v1/config: the settings that a daemon runs with.
type Running struct {
	PID      int                 `json:"pid"`
	File     string              `json:"file"`
	Settings []setting.Effective `json:"settings"`
}

// load finds the configuration file and takes what it says. Warnings are for
// those who start and configure.
func (c *Call) load() error {
	warnings, err := c.read()
	if c.is("start") || c.is("config") {
		for _, w := range warnings {
			c.Warn(w)
		}
	}
	return err
}

func (c *Call) explicit() bool { return c.Values.Given("configfile") }

// find returns the path of the file this command is about. A command that
// changes what a running daemon reads acts on that daemon's file.
func (c *Call) find() (string, error) {
	if c.explicit() {
		return c.Values.Text("configfile"), nil
	}
	if c.Dirs.Service != "" {
		return c.findOfService()
	}
	if !c.is("start") && !c.Command.AnyConfig && !c.remote() {
		r, err := c.running()
		if err == nil { // root may call anybody's daemon, but not write the file that it names
			err = rundir.Check(c.Dirs.Run)
		}
		switch {
		case err == nil:
			return r.File, nil
		case !errors.Is(err, admin.ErrNotRunning):
			return "", cmdline.Failed(fmt.Errorf("which configuration file: %w", err), "name it with -configfile")
		}
	}
	return c.Program.findFile(c.Dirs)
}

// findOfService returns the file of a service: what its definition names, or its
// own. It does not ask the service: root writes where this says, and must not let
// the service's user choose.
func (c *Call) findOfService() (string, error) {
	p := c.Program
	if !c.is("start") || !c.Values.Bool("foreground") && !c.Values.Bool("winservice") {
		if st, err := service.Query(c.ctx, c.Dirs.Service); err == nil && st.ConfigFile != "" {
			return st.ConfigFile, nil
		}
	}
	if c.Dirs.Service == p.Name {
		return p.findFile(c.Dirs)
	}
	return c.Dirs.ServiceConfigFile(p.Name, p.ConfigName), nil
}

// askTime is how long the running daemon may take to name its file.
const askTime = 2 * time.Second

// running asks the daemon of this run folder what it runs with.
func (c *Call) running() (*Running, error) {
	client, err := admin.NewClient(c.Dirs, c.Program.Name, askTime)
	if err != nil {
		return nil, err
	}
	r := new(Running)
	return r, client.Get(c.ctx, "/v1/config", r)
}

// findFile returns where the configuration file is, or would be made.
func (p *Program) findFile(dirs rundir.Dirs) (string, error) {
	path, err := clientFile()
	if err != nil {
		return "", badConfig(err, "mend it, or name the file with -configfile")
	}
	if path != "" {
		f, err := conffile.Load(path)
		if err != nil {
			return "", badConfig(err, "mend it, or name the file with -configfile")
		}
		for _, s := range p.Sections {
			if v, line, ok := f.Get(s, pathKey); ok && v != "" {
				if !filepath.IsAbs(v) {
					return "", badConfig(fmt.Errorf("%s:%d: %s is not an absolute path", path, line, pathKey), "mend it, or name the file with -configfile")
				}
				return filepath.Clean(v), nil
			}
		}
	}
	return dirs.ConfigFile(p.ConfigName), nil
}

// clientFile returns the vendor's client configuration of this host, "" if there
// is none. With a run folder of one's own only the variable counts: what belongs
// to the host is not a test's.
func clientFile() (string, error) {
	folder := os.Getenv(clientFolder)
	if folder == "" {
		if os.Getenv(rundir.Env) != "" || runtime.GOOS == "windows" {
			return "", nil
		}
		folder = "/etc"
	}
	for _, name := range []string{"Chrystoki.conf", "chrystoki.conf", "crystoki.ini", "Crystoki.ini"} {
		path, err := filepath.Abs(filepath.Join(folder, name))
		if err != nil {
			return "", err
		}
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return "", err
		}
	}
	return "", nil
}

var errNoFile = errors.New("there is no such file")

// read reads the file at path. A missing one is empty, unless it must be there.
func (p *Program) read(path string, must bool) (*conffile.File, error) {
	f, err := conffile.Load(path)
	switch {
	case !must && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)): // of the folder others will speak
		return conffile.New(), nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, badConfig(fmt.Errorf("%s: %w", path, errNoFile), "-mode config -set makes one")
	case err != nil:
		return nil, badConfig(err, "")
	}
	return f, nil
}

// take puts what f says into v, and warns of keys that nobody knows and of a file
// that anybody could have written: who may administer stands there. The error
// leaves v without a file.
func (p *Program) take(v *setting.Values, f *conffile.File, path string) (warnings []string, err error) {
	warnings, err = v.LoadFile(f, path, p.Sections...)
	if err != nil {
		return nil, badConfig(err, "")
	}
	if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o002 != 0 && runtime.GOOS != "windows" {
		warnings = append(warnings, path+" can be written by every user; run chmod o-w on it")
	}
	return warnings, nil
}

// badConfig is a configuration file that can not be used.
func badConfig(err error, hint string) error {
	code := rc.BadConfig
	if errors.Is(err, fs.ErrPermission) {
		code = rc.AccessDenied
	}
	return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: code, Err: err, Hint: hint}
}

func notRegistered(what, name, path, program string) error {
	return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.NotRegistered, Err: fmt.Errorf("no %s %s in %s", what, cmdline.Printable(name), path),
		Hint: fmt.Sprintf("%s -%s list shows what is registered", program, what)}
}

// read finds and reads the configuration file and warns of nothing. A file that
// is about to be written may have mistakes: what counts is what comes out.
func (c *Call) read() (warnings []string, err error) {
	if c.ConfigPath, err = c.find(); err != nil || c.is("config") && c.Values.Bool("set") {
		return nil, err
	}
	f, err := c.Program.read(c.ConfigPath, c.explicit() && !c.Command.Writes)
	if err != nil {
		return nil, err
	}
	return c.Program.take(c.Values, f, c.ConfigPath)
}
