package cli

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"openped/certs"
	"openped/internal/atomicfile"
	"openped/internal/cmdline"
	"openped/internal/localsock"
	"openped/internal/logs"
	"openped/internal/rundir"
	"openped/protocol"
	"openped/rpv"
	"openped/softped"
	"openped/usbped"
)

type options struct {
	listen, control  string // paths
	ownFolder        string // that listen is in, if it is the usual one
	group            string // whose members may plug the PED in too
	usb              usbOptions
	keys, state      string
	roots, blanks    []string
	firmware, serial string
	face             string
	mode             protocol.PEDMode
	action           time.Duration
	light, echo      bool
	logPath          string
	levels           logs.Levels
	instance         string // the service that this is; empty: none
}

// parse reads the command line and fills in what it leaves open; -help is printed
// to out.
func parse(args []string, out io.Writer) (*options, error) {
	o, err := readFlags(args, out)
	if err != nil {
		return nil, err
	}
	return o, o.defaults()
}

// readFlags reads the command line and touches nothing.
func readFlags(args []string, out io.Writer) (*options, error) {
	o := &options{firmware: softped.DefaultFirmware, face: "tty", mode: protocol.PEDModeRemote, levels: logs.DefaultLevels}
	var help, version bool
	set := new(cmdline.Set)
	set.Add(o.flags(&help, &version)...)
	rest, err := set.Parse(args)
	switch {
	case err != nil:
		return nil, err
	case help:
		fmt.Fprintf(out, "softped: a PED in software, for tests and training.\n\nusage: softped [flags]\n       softped -service install|uninstall|start|stop|restart|status\n%s", set.Usage())
		return nil, errHelp
	case version:
		fmt.Fprintln(out, "softped", cmdline.VersionText())
		return nil, errHelp
	case len(rest) > 0:
		return nil, &cmdline.UsageError{Msg: fmt.Sprintf("unknown argument %q", cmdline.Printable(rest[0])), Hint: "see softped -help"}
	}
	if err := o.usb.check(o.listen != ""); err != nil {
		return nil, err
	}
	if o.group != "" && o.usb.any() {
		return nil, &cmdline.UsageError{Msg: "-group is of no use on a USB cable", Hint: "leave it out, or give -listen"}
	}
	return o, nil
}

// flags is every flag, which set what they say in o.
func (o *options) flags(help, version *bool) []*cmdline.Flag {
	return append([]*cmdline.Flag{
		{Name: "listen", Value: socketValue, Usage: "socket that PEDserver plugs into (-peddevice)", Set: socket(&o.listen)},
		{Name: "group", Value: "group", Usage: "whose members may plug in there too (of a service: openped)", Set: cmdline.String(&o.group)},
		{Name: "usbip", Value: "address:port", Usage: "offer the PED to usbip programs (port 3240 if none is given)", Set: o.usb.setAddress},
		{Name: "usbipallow", Value: "addresses", Usage: "who may come when -usbip is not loopback: addresses and networks", Many: true, Set: o.usb.addAllowed},
		{Name: "vhci", Usage: "plug the PED in to this computer's virtual USB (Linux, root)", Set: cmdline.Switch(&o.usb.vhci)},
		{Name: "gadget", Value: "controller", Usage: "be a USB device at this device controller (Linux, root)", Set: o.usb.setController},
		{Name: "usbid", Value: "vvvv:pppp", Usage: "USB vendor and product id to have (default 1209:0001)", Set: o.usb.setIDs},
		{Name: "keys", Value: "folder", Usage: "folder of PED keys", Set: cmdline.String(&o.keys)},
		{Name: "state", Value: "file", Usage: "what the PED remembers: roots, counters", Set: cmdline.String(&o.state)},
		{Name: "root", Value: "file", Usage: "origin root to know (PEM), repeatable", Many: true, Set: cmdline.Strings(&o.roots)},
		{Name: "newkeys", Aliases: []string{"blank"}, Value: "name,name…", Usage: "make blank PED keys of these names where missing, repeatable", Many: true, Set: o.addKeys},
		{Name: "firmware", Value: "version", Usage: "firmware version to be (default " + softped.DefaultFirmware + ")", Set: cmdline.String(&o.firmware)},
		{Name: "serial", Value: "text", Usage: "serial number to have (default: made at the first start)", Set: cmdline.String(&o.serial)},
		{Name: "face", Value: "tty|script|none", Usage: "how it is operated (default tty)", Set: oneOf(&o.face, "tty", "script", "none")},
		{Name: "control", Value: socketValue, Usage: "socket that takes script lines as well", Set: socket(&o.control)},
		{Name: "echo", Usage: "script face: print every screen", Set: cmdline.Switch(&o.echo)},
		{Name: "mode", Value: "remote|local|pair", Usage: "mode to start in (default remote)", Set: o.setMode},
		{Name: "actiontime", Value: "seconds", Usage: "time for one step of the session dialogue (default 200)", Set: cmdline.Seconds(&o.action, 1, 3600)},
		{Name: "keycost", Value: "light", Usage: "weak PIN protection of new PED keys: for tests only", Set: o.setCost},
		{Name: "instance", Value: "service", Usage: "be the service of this name, in its folders", Set: o.setInstance},
		{Name: "help", Aliases: []string{"h"}, Usage: "print this", Set: cmdline.Switch(help)},
		{Name: "version", Usage: "print the version", Set: cmdline.Switch(version)},
	}, logs.Flags(&o.logPath, &o.levels)...)
}

// Flags lists the flags for those who write about them.
func Flags() []*cmdline.Flag { return new(options).flags(new(bool), new(bool)) }

// defaults fills in the paths that were not given.
func (o *options) defaults() error {
	socket := o.listen == "" && !o.usb.any()
	if !socket && o.keys != "" && o.state != "" {
		return nil
	}
	d, err := o.dirs()
	if err == nil {
		err = d.Make()
	}
	if err == nil && socket {
		o.ownFolder = d.Run
		o.listen, err = defaultSocket(d)
	}
	if err != nil {
		return cmdline.Failed(err, "give -listen, -keys and -state")
	}
	base := d.State
	if d.Service != "" {
		base = d.Data
	} else if os.Geteuid() == 0 && os.Getenv(rundir.Env) == "" { // root's state folder is for logs
		base = "/var/lib/openped"
		if err := rundir.MakeTop(base); err != nil {
			return cmdline.Failed(err, "give -keys and -state")
		}
	}
	if o.state == "" {
		o.state = filepath.Join(base, "softped.json")
	}
	if o.keys == "" {
		o.keys = filepath.Join(base, "pedkeys")
		if err := atomicfile.MkdirAll(o.keys, 0o700); err != nil {
			return cmdline.Failed(err, "give -keys")
		}
	}
	return nil
}

// dirs are the folders of the service, or of this user.
func (o *options) dirs() (rundir.Dirs, error) {
	if o.instance != "" {
		return rundir.Service(o.instance)
	}
	return rundir.Find()
}

func (o *options) setInstance(v string) error {
	o.instance = v
	return rundir.CheckServiceName(v)
}

func (o *options) addKeys(v string) error {
	for name := range strings.SplitSeq(v, ",") {
		if err := rpv.CheckName(name); err != nil {
			return err
		}
		o.blanks = append(o.blanks, name)
	}
	return nil
}

func (o *options) setMode(v string) error {
	for _, m := range []protocol.PEDMode{protocol.PEDModeRemote, protocol.PEDModeLocal, protocol.PEDModePair} {
		if m.String() == v {
			o.mode = m
			return nil
		}
	}
	return softped.ErrMode
}

func (o *options) setCost(v string) error {
	if v != "light" {
		return errors.New("the only cost to choose is light")
	}
	o.light = true
	return nil
}

// lockState makes sure that one PED uses the state.
func (o *options) lockState() (unlock func(), err error) {
	if o.state, err = atomicfile.Resolve(o.state); err != nil {
		return nil, cmdline.Failed(fmt.Errorf("state file: %w", err), "leave the file one name, and give -state that")
	}
	unlock, err = atomicfile.Lock(o.state + ".lock")
	if errors.Is(err, atomicfile.ErrLocked) {
		return nil, cmdline.Failed(err, "stop the other softped, or give -state another file")
	}
	if err != nil {
		return nil, cmdline.Failed(err, "give -state a file in a folder that this user may write to")
	}
	return unlock, nil
}

// build makes the PED.
func (o *options) build(log *slog.Logger) (*softped.PED, error) {
	keys := rpv.DirStore{Dir: o.keys}
	names, err := keys.List()
	if err != nil {
		return nil, cmdline.Failed(fmt.Errorf("key folder: %w", err), "")
	}
	for _, b := range o.blanks {
		if !slices.Contains(names, b) {
			if err := keys.Save(b, rpv.NewBlank()); err != nil {
				return nil, cmdline.Failed(fmt.Errorf("blank key %s: %w", cmdline.Printable(b), err), "")
			}
		}
	}
	var roots []*x509.Certificate
	for _, f := range o.roots {
		r, err := certs.LoadRoots(f)
		if err != nil {
			return nil, cmdline.Failed(err, "-root takes the PEM file of an origin root")
		}
		roots = append(roots, r...)
	}
	state := softped.FileState{Path: o.state}
	if err := o.setSerial(state); err != nil {
		return nil, err
	}
	cfg := softped.Config{Serial: o.serial, Firmware: o.firmware, Keys: keys, State: state, Roots: roots, Mode: o.mode, ActionTime: o.action, Log: log}
	if o.light {
		cfg.Cost = rpv.LightCost()
	}
	return softped.New(cfg)
}

// setSerial takes the serial given, or the one of the first start.
func (o *options) setSerial(store softped.FileState) error {
	s, err := store.Load()
	if err != nil {
		return err
	}
	if s.Serial == "" {
		if s.Serial = o.serial; s.Serial == "" {
			s.Serial = "SP-" + rand.Text()[:8]
		}
		if err := store.Save(s); err != nil {
			return err
		}
	}
	if o.serial == "" {
		o.serial = s.Serial
	}
	return nil
}

// banner says what this is, and what it must not be taken for.
func (o *options) banner(w io.Writer, i usbped.Info) {
	fmt.Fprintf(w, "softped %s: a PED in SOFTWARE, for tests and training. Its PED keys are files in %s\n", cmdline.VersionText(), o.keys)
	fmt.Fprintf(w, "serial %s, firmware %s, mode %s, %s\n", i.Serial, i.Firmware, o.mode, o.place())
	if o.light {
		fmt.Fprintln(w, "WARNING: -keycost light: the PINs of new PED keys protect NOTHING")
	}
}

// log opens the log. On a terminal face standard error would spoil the picture,
// so without -logfile nothing is logged there.
func (o *options) log(stderr io.Writer) (*slog.Logger, func()) {
	if o.logPath == "" {
		if o.face == "tty" {
			stderr = io.Discard
		}
		return slog.New(logs.New(stderr, o.levels)), func() {}
	}
	l := logs.Open(logs.Options{Path: o.logPath, Stderr: stderr, Levels: o.levels})
	return l.Logger, func() { l.Close() }
}

// socket stores the path of a socket's name.
func socket(dst *string) func(string) error {
	return func(v string) error {
		path, err := localsock.ParseName(v)
		if err == nil {
			*dst = path
		}
		return err
	}
}

// socketValue is what a socket's name is called in help.
var socketValue = strings.ToLower(localsock.Example)

// defaultSocket is softped.sock in the run folder, or on Windows a pipe with this
// user's name.
func defaultSocket(d rundir.Dirs) (string, error) {
	path, err := d.Socket("softped.sock")
	if err != nil || !localsock.IsPipe(path) || d.Run == os.Getenv(rundir.Env) {
		return path, err
	}
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return localsock.Pipe(usbped.PipeOfUser + u.Username[strings.LastIndexByte(u.Username, '\\')+1:])
}

// access returns who may plug the PED in: of a service those who may use PEDs, unless
// it says otherwise. The usual folder lets the group through.
func (o *options) access() (a localsock.Access, err error) {
	if o.group == "" && o.instance != "" {
		if _, err := localsock.Group(pedGroup, "-group"); err == nil {
			o.group = pedGroup
		}
	}
	if o.group == "" {
		return a, nil
	}
	if a.Group, err = localsock.Group(o.group, "-group"); err != nil {
		return a, err
	}
	if o.ownFolder != "" {
		if err := localsock.AdmitTo(o.ownFolder, a.Group, false); err != nil {
			return a, cmdline.Failed(err, "give -listen a path in another folder")
		}
	}
	return a, nil
}

func oneOf(dst *string, values ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(values, v) {
			return fmt.Errorf("must be one of %s", strings.Join(values, ", "))
		}
		*dst = v
		return nil
	}
}
