package hsmcm

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"

	"openped/internal/cmdline"
	"openped/usbped"
)

// options are what the flags of all commands say.
type options struct {
	slot     int
	id       int
	server   string
	ip       string
	port     int
	tls      bool
	local    bool
	device   string // as -peddevice names it
	label    string
	role     string
	force    bool
	from     int // first audit record wanted
	limit    int // most audit records wanted; 0: all
	known    knownRecord
	password passwordMode
}

// command is one thing the console can do.
type command struct {
	name    string   // its words
	aliases []string // other words for it
	args    string   // for the usage line
	summary string
	flags   string // the flags it takes, by name; "!" marks one that must be given
	run     func(ctx context.Context, s *session, o *options) error
}

// commands is filled in by init, because help lists it.
var commands []*command

func init() {
	commands = []*command{
		{name: "slot list", summary: "list the HSM slots", run: slotList},
		{name: "slot set", args: "-slot <N>", summary: "choose the slot that commands act on", flags: "slot!", run: slotSet},
		{name: "hsm showinfo", args: "[-slot <N>]", summary: "show the HSM in the slot", flags: "slot", run: hsmShowInfo},
		{name: "hsm init", args: "-label <label> [-force] [-slot <N>]", summary: "erase the HSM and give it new SO and domain keys", flags: "label! force slot", run: hsmInit},
		{name: "ped connect", args: "[-id <N> | -ip <host> | -local] [-port <port>] [flags]", summary: "connect the HSM to a PED", flags: "id pedserver ip port tls local peddevice password slot", run: pedConnect},
		{name: "ped disconnect", args: "[-slot <N>]", summary: "end the connection to the PED", flags: "slot", run: pedDisconnect},
		{name: "ped set", args: "-ip <host> [-port <port>] [-tls] [-slot <N>]", summary: "keep the address that ped connect uses", flags: "ip! port tls slot", run: pedSet},
		{name: "ped show", args: "[-slot <N>]", summary: "show the PED connection", flags: "slot", run: pedShow},
		{name: "ped vector init", aliases: []string{"ped vector"}, args: "[-slot <N>]", summary: "make or reuse the remote PED vector (orange keys)", flags: "slot", run: vectorInit},
		{name: "role login", args: "-name so [-slot <N>]", summary: "log in with the role's PED keys", flags: "name! slot", run: roleLogin},
		{name: "role logout", args: "[-slot <N>]", summary: "end the login", flags: "name slot", run: roleLogout},
		{name: "role changepw", args: "-name so [-slot <N>]", summary: "give the role new PED keys", flags: "name! slot", run: roleChangePIN},
		{name: "audit show", args: "[-from <record>] [-limit <count>] [-slot <N>]", summary: "print the slot's audit records", flags: "from limit slot", run: auditShow},
		{name: "audit verify", args: "[-last <record>:<hash>] [-slot <N>]", summary: "check the chain of audit records", flags: "last slot", run: auditVerify},
		{name: "help", aliases: []string{"?"}, args: "[command]", summary: "list the commands, or explain one"},
		{name: "exit", aliases: []string{"quit", "q"}, summary: "leave the prompt"},
	}
}

// usagef is a mistake in a command line.
func usagef(format string, args ...any) *cmdline.UsageError {
	return &cmdline.UsageError{Msg: fmt.Sprintf(format, args...)}
}

// lookup finds the command that args begin with, the longest name first, and
// returns the rest of args.
func lookup(args []string) (*command, []string, error) {
	words := 0
	for words < len(args) && !strings.HasPrefix(args[words], "-") {
		words++
	}
	for n := min(words, 3); n > 0; n-- {
		name := strings.ToLower(strings.Join(args[:n], " "))
		for _, c := range commands {
			if c.is(name) {
				return c, args[n:], nil
			}
		}
	}
	return nil, nil, unknownCommand(args[:words])
}

func (c *command) is(name string) bool {
	if c.name == name {
		return true
	}
	for _, a := range c.aliases {
		if a == name {
			return true
		}
	}
	return false
}

func unknownCommand(words []string) error {
	typed := strings.Join(words[:min(len(words), 3)], " ")
	if typed == "" {
		return &cmdline.UsageError{Msg: "no command", Hint: "help lists the commands"}
	}
	var group, names []string
	for _, c := range commands {
		names = append(names, c.name)
		if strings.HasPrefix(c.name, strings.ToLower(typed)+" ") {
			group = append(group, c.name)
		}
	}
	e := &cmdline.UsageError{Msg: fmt.Sprintf("unknown command %q", printable(typed)), Hint: "help lists the commands"}
	if len(group) > 0 {
		e.Msg = fmt.Sprintf("%q is not a whole command", printable(typed))
		e.Hint = "it goes on as " + strings.Join(group, ", ")
		return e
	}
	for n := min(len(words), 3); n > 0; n-- {
		if near := cmdline.Nearest(strings.Join(words[:n], " "), names); near != "" {
			e.Hint = "did you mean " + near + "?"
			return e
		}
	}
	return e
}

// parse reads the flags of c. The slot starts as the present one.
func (c *command) parse(args []string, slot int) (*options, error) {
	o := &options{slot: slot}
	if c.takes("password") {
		var err error
		if args, o.password, err = takePassword(args); err != nil {
			return nil, err
		}
	}
	given := map[string]bool{}
	flag := func(f *cmdline.Flag) *cmdline.Flag {
		set := f.Set
		f.Set = func(v string) error { given[f.Name] = true; return set(v) }
		return f
	}
	set := new(cmdline.Set)
	for _, f := range o.flags() {
		if c.takes(f.Name) {
			set.Add(flag(f))
		}
	}
	rest, err := set.Parse(args)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, &cmdline.UsageError{Msg: fmt.Sprintf("unexpected word %q", printable(rest[0])), Hint: c.usage()}
	}
	for _, name := range strings.Fields(c.flags) {
		if name, must := strings.CutSuffix(name, "!"); must && !given[name] {
			return nil, &cmdline.UsageError{Msg: fmt.Sprintf("%s needs -%s", c.name, name), Hint: c.usage()}
		}
	}
	return o, nil
}

// flags is every flag of every command, which set what they say in o.
func (o *options) flags() []*cmdline.Flag {
	return []*cmdline.Flag{
		{Name: "slot", Value: "N", Set: cmdline.Int(&o.slot, 0, maxSlot)},
		{Name: "id", Value: "PED ID", Set: cmdline.Int(&o.id, 1, maxPEDID)},
		{Name: "pedserver", Value: "name", Set: cmdline.String(&o.server)},
		{Name: "ip", Value: "host", Set: cmdline.String(&o.ip)},
		{Name: "port", Value: "port", Set: cmdline.Port(&o.port)},
		{Name: "tls", Set: cmdline.Switch(&o.tls)},
		{Name: "local", Set: cmdline.Switch(&o.local)},
		{Name: "peddevice", Value: "device", Set: device(&o.device)},
		{Name: "label", Aliases: []string{"l"}, Value: "label", Set: label(&o.label)},
		{Name: "name", Aliases: []string{"n"}, Value: "role", Set: cmdline.String(&o.role)},
		{Name: "force", Aliases: []string{"f"}, Set: cmdline.Switch(&o.force)},
		{Name: "from", Value: "record", Set: cmdline.Int(&o.from, 0, math.MaxInt32)},
		{Name: "limit", Value: "count", Set: cmdline.Int(&o.limit, 1, math.MaxInt32)},
		{Name: "last", Value: "record:hash", Set: recordFlag(&o.known)},
		{Name: "password", Aliases: []string{"pwd"}, Set: func(string) error { return nil }}, // taken above; here for "did you mean"
	}
}

func (c *command) takes(flag string) bool {
	for _, f := range strings.Fields(c.flags) {
		if strings.TrimSuffix(f, "!") == flag {
			return true
		}
	}
	return false
}

func (c *command) usage() string { return strings.TrimSpace("usage: " + c.name + " " + c.args) }

const (
	maxSlot  = 256
	maxPEDID = 65535
	maxLabel = 32
)

// device takes a PED of this host. pedclient works in another folder.
func device(dst *string) func(string) error {
	return func(v string) error {
		if err := usbped.CheckDevice(v); err != nil {
			return err
		}
		here, err := os.Getwd()
		if err != nil {
			return err
		}
		*dst = usbped.AbsDevice(v, here)
		return nil
	}
}

// label takes what an HSM can be called: it ends on screens and in logs.
func label(dst *string) func(string) error {
	return func(v string) error {
		if v == "" || len(v) > maxLabel {
			return fmt.Errorf("a label has 1 to %d characters", maxLabel)
		}
		for _, r := range v {
			if r < 0x20 || r > 0x7e {
				return fmt.Errorf("a label is made of printable ASCII characters")
			}
		}
		*dst = v
		return nil
	}
}

// printable makes text from elsewhere safe to print.
func printable(s string) string { return cmdline.Printable(s) }

// complete is the terminal's Tab: it finishes the word where only one command
// fits.
func complete(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' || pos != len(line) {
		return "", 0, false
	}
	typed := strings.ToLower(strings.TrimLeft(line, " "))
	if strings.Contains(typed, "-") {
		return line, pos, true // swallow the tab
	}
	common := ""
	for _, c := range commands {
		if !strings.HasPrefix(c.name, typed) {
			continue
		}
		if common == "" {
			common = c.name + " "
			continue
		}
		n := 0
		for n < len(common) && n < len(c.name) && common[n] == c.name[n] {
			n++
		}
		common = common[:n]
	}
	if len(common) <= len(typed) {
		return line, pos, true
	}
	return common, len(common), true
}
