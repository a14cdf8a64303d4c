package docs

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"openped/internal/daemon"
	"openped/internal/setting"
)

// guideFlag is a flag as the vendor's guides have it: the spellings, the default
// that is stated or that we have chosen where none is, and the commands that they
// list it for.
type guideFlag struct{ spellings, value, def, in string }

const (
	sixModes  = "start stop show config connect disconnect"
	inProcess = "start stop config"
	inServer  = "start config"
	nineModes = "start stop show config setid testid assignid releaseid deleteid"
	fourIDs   = "setid testid assignid releaseid deleteid"
)

// guideFlags are all flags of the guides, by program.
var guideFlags = map[string][]guideFlag{
	"pedserver": {
		{"name", "x", "", sixModes},
		{"show", "", "", "config"},
		{"set", "", "", "config"},
		{"ip", "10.0.0.1", "", "start"},
		{"port", "1503", "1503", inServer},
		{"configfile", "x", "", sixModes},
		{"admin", "1502", "1502", inServer},
		{"eserverport", "0", "1", inServer},
		{"eadmin", "1", "0", inServer},
		{"idletimeout", "1800", "1800", inServer},
		{"socketreadtimeout", "1", "5", inProcess},
		{"socketwritetimeout", "1", "3", inProcess},
		{"internalshutdowntimeout", "1", "5", inProcess},
		{"bgprocessstartuptimeout", "1", "10", inProcess},
		{"bgprocessshutdowntimeout", "1", "10", inProcess},
		{"logfile logfilename", "x", "", sixModes},
		{"loginfo", "0", "1", sixModes},
		{"logwarning", "0", "1", sixModes},
		{"logerror", "0", "1", sixModes},
		{"logtrace", "1", "0", sixModes},
		{"maxlogfilesize", "100", "8192", sixModes},
		{"pedwritelay pedwritedelay", "10000", "0", "config"},
		{"pinginterval", "1", "1", inServer},
		{"pingtimeout", "3", "3", inServer},
		{"force", "", "", "start|appliance delete|regen"},
		{"certificate", "x", "", "appliance register"},
		{"name", "x", "", "appliance register|appliance delete"},
		{"ip", "10.0.0.1", "", "appliance register"},
		{"port", "9697", "1503", "appliance register"},
		{"commonname", "x", "", "regen"},
	},
	"pedclient": {
		{"id", "1234", "", fourIDs},
		{"id_serialnumber", "123456789", "", "assignid"},
		{"id_ip", "myhostname", "", "setid"},
		{"id_port", "3456", "", "setid"},
		{"show", "", "", "config"},
		{"set", "", "", "config"},
		{"winservice", "", "", "start"},
		{"admin", "1501", "1501", "show"},
		{"eadmin", "0", "0", "start stop show config"},
		{"idletimeout", "1800", "1800", inServer},
		{"ignoreidletimeout", "", "", "config"},
		{"socketreadtimeout", "1", "10", "start stop show config"},
		{"socketwritetimeout", "1", "3", "start stop show config"},
		{"shutdowntimeout", "1", "8", inProcess},
		{"pstartuptimeout", "1", "15", inProcess},
		{"pshutdowntimeout", "1", "15", inProcess},
		{"logfilename", "x", "", nineModes},
		{"loginfo", "0", "1", nineModes},
		{"logwarning", "0", "1", nineModes},
		{"logerror", "0", "1", nineModes},
		{"logtrace", "1", "0", nineModes},
		{"maxlogfilesize", "100", "8192", nineModes},
		{"locallogger", "", "", nineModes},
	},
}

// guideCommands are all commands of the guides.
var guideCommands = map[string]string{
	"pedserver": "start|stop|show|config|connect|disconnect|appliance register|appliance list|appliance delete|regen",
	"pedclient": "start|stop|show|config|setid|testid|assignid|releaseid|deleteid",
}

// TestGuideFlags: every flag of the guides is in the table under each of its
// spellings, has its default, and is listed where they list it.
func TestGuideFlags(t *testing.T) {
	for _, p := range daemons {
		for _, g := range guideFlags[p.Name] {
			for _, spelling := range strings.Fields(g.spellings) {
				s := find(p.Table, spelling)
				if s == nil {
					t.Errorf("%s has no -%s", p.Name, spelling)
					continue
				}
				if s.Default != g.def {
					t.Errorf("%s -%s: default %q, want %q", p.Name, spelling, s.Default, g.def)
				}
				if (g.value == "") != (s.Kind == setting.Switch) {
					t.Errorf("%s -%s: switch or not?", p.Name, spelling)
				}
				for _, c := range list(g.in) {
					if !slices.Contains(s.In, c) {
						t.Errorf("%s -%s is not listed for %s", p.Name, spelling, c)
					}
				}
			}
		}
		for _, c := range list(guideCommands[p.Name]) {
			if !slices.ContainsFunc(p.Commands, func(d daemon.Command) bool { return nameOf(d) == c }) {
				t.Errorf("%s has no command %s", p.Name, c)
			}
		}
	}
}

// TestEveryFlagEverywhere: each flag of the guides, in each spelling, is taken on
// every command: the line fails at what comes after it.
func TestEveryFlagEverywhere(t *testing.T) {
	for _, p := range daemons {
		for _, c := range p.Commands {
			for _, g := range guideFlags[p.Name] {
				for _, spelling := range strings.Fields(g.spellings) {
					args := append(line(c), "-"+spelling)
					if g.value != "" {
						args = append(args, g.value)
					}
					var out, errs bytes.Buffer
					code := p.Main(append(args, "-nosuchflag"), &out, &errs)
					if code != 1 || !strings.HasPrefix(errs.String(), p.Name+": unknown flag -nosuchflag") {
						t.Errorf("%s %v: exit code %d, %s", p.Name, args, code, errs.String())
					}
				}
			}
		}
	}
}

func list(s string) []string {
	if strings.Contains(s, "|") || strings.Contains(s, "appliance ") {
		return strings.Split(s, "|")
	}
	return strings.Fields(s)
}

// find returns the flag of that spelling. A key of the file is none.
func find(table setting.Table, spelling string) *setting.Setting {
	for _, s := range table {
		if s.Name == spelling || slices.Contains(s.Aliases, spelling) {
			return s
		}
	}
	return nil
}
