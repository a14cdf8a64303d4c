//go:build linux

package commands

import (
	"os"
	"strings"
	"testing"
)

// TestRefused: every mistake is one line that names the argument, what it may be
// and the nearest one that exists; the exit code is 1, and nothing was done.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ program, line, want string }{
		{"pedserver", "-mode", "-mode needs a value; one of start, stop, show, config, connect, disconnect, release, claim, reload"},
		{"pedserver", "-mode strat", `unknown mode "strat"; did you mean -mode start?`},
		{"pedserver", "start", "unknown option start; did you mean -mode start?"},
		{"pedserver", "-modes start", "unknown option -modes; did you mean -mode?"},
		{"pedserver", "-x", "unknown option -x; begin with -mode or -appliance or -administrator or -service or -regen"},
		{"pedserver", "-appliance", "-appliance needs a value; one of register, list, delete"},
		{"pedserver", "-appliance lits", `unknown appliance "lits"; did you mean -appliance list?`},
		{"pedserver", "-mode start -mode stop", "two top-level options: -mode start and -mode stop; give one of them"},
		{"pedserver", "-mode start -appliance list", "two top-level options: -mode start and -appliance list; give one of them"},
		{"pedserver", "-regen -mode stop", "two top-level options: -regen and -mode stop; give one of them"},
		{"pedserver", "-regen", "-regen needs -commonname <name>; -regen -help explains it"},
		{"pedserver", "-regen -commonname a/b", `flag -commonname: "a/b" is not a name: 1 to 64 letters, digits, dots, dashes and underscores`},
		{"pedserver", "-mode connect", "-mode connect needs -name <name>; -mode connect -help explains it"},
		{"pedserver", "-mode disconnect", "-mode disconnect needs -name <name>; -mode disconnect -help explains it"},
		{"pedserver", "-appliance delete", "-appliance delete needs -name <name>; -appliance delete -help explains it"},
		{"pedserver", "-appliance register -name x -certificate y", "-appliance register needs -ip <address>; -appliance register -help explains it"},
		{"pedserver", "-appliance register -name x -certificate y -ip 1.2.3.4 -ip 1.2.3.5", "-appliance register takes one -ip"},
		{"pedserver", "-appliance register -name x -certificate y -ip 123.321.123.321", `flag -ip: "123.321.123.321" is neither an IP address nor a host name`},
		{"pedserver", "-appliance register -name x -certificate y -ip h -port 0", "flag -port: 0 is outside 1 to 65535"},
		{"pedserver", "-appliance list -idletimout 3", "unknown flag -idletimout; did you mean -idletimeout (0 to 86400 seconds)?"},
		{"pedserver", "-mode start -peddevice serial:p", "flag -peddevice: serial:p is not a device; write usb, usb:SERIAL, or unix:PATH with the socket of softped"},
		{"pedserver", "-mode start -usbid 1209", "flag -usbid: 1209 is not a pair of USB ids; write vendor:product as 1209:0001"},
		{"pedserver", "-mode start -peddevice unix:p -ip host.example", "flag -ip: host.example is not an IP address"},
		{"pedserver", "-mode start -peddevice unix:p -port", "flag -port needs a value <port> (1 to 65535)"},
		{"pedserver", "-mode start -peddevice unix:p -port -admin 3", "flag -port needs a value <port> (1 to 65535)"},
		{"pedserver", "-mode start -peddevice unix:p -port 1503 -port 1504", "flag -port given twice"},
		{"pedserver", "-mode start -peddevice unix:p -port x", `flag -port: "x" is not a whole number from 1 to 65535`},
		{"pedserver", "-mode start -peddevice unix:p -eserverport 2", `flag -eserverport: "2" is neither 0 nor 1`},
		{"pedserver", "-mode start -peddevice unix:p -eadmin yes", `flag -eadmin: "yes" is neither 0 nor 1`},
		{"pedserver", "-mode start -peddevice unix:p -tls 3", "flag -tls: 3 is outside 0 to 2"},
		{"pedserver", "-mode start -peddevice unix:p -allow 10.0.0.0/33", `flag -allow: "10.0.0.0/33" is neither an IP address nor a network like 10.0.0.0/8`},
		{"pedserver", "-mode start -peddevice unix:p -idletimeout -1", "flag -idletimeout: -1 is outside 0 to 86400 seconds"},
		{"pedserver", "-mode start -peddevice unix:p -pedwritelay 10001", "flag -pedwritedelay: 10001 is outside 0 to 10000 microseconds"},
		{"pedserver", "-mode start -peddevice unix:p -maxlogfilesize 1", "flag -maxlogfilesize: 1 is outside 16 to 1048576 KB"},
		{"pedserver", "-mode start -peddevice unix:p -loginfo on", `flag -loginfo: "on" is neither 0 nor 1`},
		{"pedserver", "-mode start -peddevice unix:p -logfile=", "flag -logfile: empty value"},
		{"pedserver", "-mode start -peddevice unix:p -logfile a -logfilename b", "flag -logfile given twice"},
		{"pedserver", "-mode start -peddevice unix:p -pinginterval 5 -pingtimeout 5", "-pingtimeout must be longer than -pinginterval"},
		{"pedserver", "-mode start -peddevice unix:p extra", "unexpected argument extra"},
		{"pedserver", "-mode show -format xml", `flag -format: "xml" is not text or json`},
		{"pedserver", "-mode show -show", "-show and -set are for -mode config"},
		{"pedserver", "-mode show -adminhost h", "-adminhost needs -certificate <file>; the certificate of the daemon there"},
		{"pedserver", "-mode config", "neither -show nor -set; give one of them"},
		{"pedserver", "-mode config -show -set", "-show with -set; give one of them"},
		{"pedserver", "-mode config -set", "nothing to set; give -set <Key> <value>, or -set and flags"},
		{"pedserver", "-mode config -set Prot 1", "unknown key Prot; did you mean Port (1 to 65535)?"},
		{"pedserver", "-mode config -set Port 0", "Port: 0 is outside 1 to 65535"},
		{"pedserver", "-mode config -set -name x -idletimeout 3", "with -name only IP and Port can be set, to one value each; the rest comes from its registration"},
		{"pedserver", "-help idletimeout", "no help about idletimeout; write -help, -help all, or -mode <mode> -help"},
		{"pedclient", "-mode start", "no HSM named; give -hsm <file>, or enter it with -mode config -set -hsm <file>; -mode createhsm makes one"},
		{"pedclient", "-mode setid -id 1", "-mode setid needs -id_ip <host>; -mode setid -help explains it"},
		{"pedclient", "-mode setid -id 0 -id_ip h -id_port 1", "flag -id: 0 is outside 1 to 65535"},
		{"pedclient", "-mode setid -id 65536 -id_ip h -id_port 1", "flag -id: 65536 is outside 1 to 65535"},
		{"pedclient", "-mode setid -id 1 -id_ip a,b -id_port 1", `flag -id_ip: "a,b" is neither an IP address nor a host name`},
		{"pedclient", "-mode setid -id 1 -id_ip h -id_port 99999", "flag -id_port: 99999 is outside 1 to 65535"},
		{"pedclient", "-mode assignid -id 1", "-mode assignid needs -id_serialnumber <serial>; -mode assignid -help explains it"},
		{"pedclient", "-mode assignid -id 1 -id_serialnumber a_b", `flag -id_serialnumber: "a_b" is not a serial number: 1 to 32 letters, digits and dashes`},
		{"pedclient", "-mode testid", "-mode testid needs -id <PED ID>; -mode testid -help explains it"},
		{"pedclient", "-mode releaseid", "-mode releaseid needs -id <PED ID>; -mode releaseid -help explains it"},
		{"pedclient", "-mode deleteid", "-mode deleteid needs -id <PED ID>; -mode deleteid -help explains it"},
		{"pedclient", "-mode tsetid -id 1", `unknown mode "tsetid"; did you mean -mode setid?`},
		{"pedclient", "-mode start -hsm a -winservice", "-winservice is for Windows; here pedclient -service install makes it a service"},
		{"pedclient", "-mode start -hsm a -listenip h", `flag -listenip: "h" is not an IP address`},
		{"pedclient", "-mode createhsm -hsm a -serial 1 -origin o -auth pin", `flag -auth: "pin" is not ped or password`},
		{"pedclient", "-pedserver register -name x", "-pedserver register needs -certificate <file>; -pedserver register -help explains it"},
		{"pedclient", "-pedserver regster", `unknown pedserver "regster"; did you mean -pedserver register?`},
		{"pedclient", "-mode config -set -id 3", "flag -id can not be kept in a file; give it when it is needed"},
	} {
		d := newDesk(t)
		code, stdout, stderr := d.run(c.program, c.line)
		if want := c.program + ": " + c.want + "\n"; code != 1 || stdout != "" || stderr != want {
			t.Errorf("%s %s: exit code %d\n%s%swant %s", c.program, c.line, code, stdout, stderr, want)
		}
		if left, _ := os.ReadDir(d.folder); len(left) > 0 {
			t.Errorf("%s %s: left %s behind", c.program, c.line, left[0].Name())
		}
	}
}

// TestUnprintable: what is in an argument does not steer the terminal.
func TestUnprintable(t *testing.T) {
	d := newDesk(t)
	for _, line := range []string{"-\x1b[2J", "-mode \x1b[2J", "-mode start -\x1b[2J", "-mode start -port \x1b[2J", "-mode start \x1b[2J", "-mode config -set \x1b[2J 3"} {
		if code, _, stderr := d.run("pedserver", line); code != 1 || strings.ContainsRune(stderr, 0x1b) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: exit code %d, %q", line, code, stderr)
		}
	}
}
