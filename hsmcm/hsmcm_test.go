package hsmcm

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"openped/internal/cmdline"
	"openped/protocol/hsmapi"
)

func TestOneShot(t *testing.T) {
	unplugged := func(c *caller, _ hsmapi.Fields) (hsmapi.Fields, error) {
		c.say(hsmapi.EventAttend, nil)
		c.say(hsmapi.EventCaution, hsmapi.Fields{}.AddU32(hsmapi.TagAttempts, 3))
		return nil, &hsmapi.Error{Code: hsmapi.CKR_PED_UNPLUGGED, Msg: "remote PED session expired", Hint: "run ped connect"}
	}
	tests := []struct {
		args   string
		stdin  string
		change func(*fake)
		code   int
		stdout string
		stderr string
	}{
		{args: "ped connect -ip 127.0.0.1", stdout: "Command Result : No Error\n"},
		{args: "PED Connect -IP=127.0.0.1 --port 1600", stdout: "Command Result : No Error\n"},
		{args: "ped set -ip 10.0.0.5 -port 1503", stdout: "Command Result : 0 (Success)\n"},
		{args: "ped connect -password", stdout: "Please attend to the PED and enter following password: 18246843\nCommand Result : No Error\n"},
		{args: "ped connect -ip 127.0.0.1 -pwd", stdout: "Please attend to the PED and enter following password: 18246843\nCommand Result : No Error\n"},
		{args: "role login -n so",
			stdout: "Please attend to the PED.\nThe login ends with this command: start hsmcm without a command for a login that lasts.\nCommand Result : No Error\n"},
		// F-15: after the idle timeout the answer names the cause and the remedy.
		{args: "role login -n so", change: func(f *fake) { f.handlers[hsmapi.Login] = unplugged }, code: 2,
			stdout: `Please attend to the PED.
Caution: You have only 3 so login attempts left. If you fail 3
more consecutive login attempts (i.e. with no successful
logins in between) the HSM will be ZEROIZED!!!
Error in execution: CKR_PED_UNPLUGGED.
Remote PED session expired. Run ped connect.
Command Result : 0x8000002e (CKR_PED_UNPLUGGED)
`},
		{args: "role logout", code: 2, stdout: "Error in execution: CKR_USER_NOT_LOGGED_IN.\nLog in first with `role login`.\nCommand Result : 0x101 (CKR_USER_NOT_LOGGED_IN)\n"},
		{args: "hsm init -label x", stdin: "proceed\n",
			stdout: "The HSM will be erased: all it holds and its roles will be lost.\nAre you sure you wish to continue?\nType 'proceed' to continue, or 'quit' to quit now ->proceed\nPlease attend to the PED.\nCommand Result : No Error\n"},
		{args: "hsm init -label x", stdin: "quit\n", code: 2,
			stdout: "The HSM will be erased: all it holds and its roles will be lost.\nAre you sure you wish to continue?\nType 'proceed' to continue, or 'quit' to quit now ->quit\nError in execution: CKR_FUNCTION_CANCELED.\nRun the command again.\nCommand Result : 0x50 (CKR_FUNCTION_CANCELED)\n"},
		{args: "hsm init -label x", code: 2, // nobody there is a no
			stdout: "The HSM will be erased: all it holds and its roles will be lost.\nAre you sure you wish to continue?\nType 'proceed' to continue, or 'quit' to quit now ->\nError in execution: CKR_FUNCTION_CANCELED.\nRun the command again.\nCommand Result : 0x50 (CKR_FUNCTION_CANCELED)\n"},
		{args: "hsm init -force -label x", stdout: "Please attend to the PED.\nCommand Result : No Error\n"},
		{args: "ped vector init", stdout: "Please attend to the PED.\nCommand Result : No Error\n"},
		{args: "ped vector", stdout: "Please attend to the PED.\nCommand Result : No Error\n"},
		{args: "role changepw -name SO", stdout: "Please attend to the PED.\nCommand Result : No Error\n"},
		{args: "ped show", stdout: `  PED Connection ->          Connected for 1m1s
  PEDserver ->               127.0.0.1 port 1503
  PED Serial Number ->       SOFT0001 (software PED)
  PED Firmware Version ->    2.9.0
Command Result : No Error
`},
		{args: "hsm showinfo", stdout: `  Slot Id ->                 1
  Label ->                   demo
  Serial Number ->           7000001
  Model ->                   virtual
  Firmware Version ->        7.7.0
  Authentication ->          PED keys
  HSM Status ->              OK
  Remote PED Vector ->       Initialized
  SO Login Attempts Left ->  3
  Roles Logged In ->         none
  PED Connection ->          Disconnected
Command Result : No Error
`},
		{args: "slot list", stdout: `  Slot Id ->                 1
  Label ->                   demo
  Serial Number ->           7000001
  Model ->                   virtual
  Firmware Version ->        7.7.0
  Authentication ->          PED keys
  HSM Status ->              OK

  Current Slot Id: 1
Command Result : No Error
`},
		{args: "-slot 4 hsm showinfo", code: 2, stdout: "Error in execution: CKR_SLOT_ID_INVALID.\nList the slots with `slot list`.\nCommand Result : 0x3 (CKR_SLOT_ID_INVALID)\n"},
		{args: "slot set -slot 1", stdout: "  Current Slot Id: 1 (demo)\nThe choice ends with this command: use the prompt, or give -slot 1 to each command.\nCommand Result : No Error\n"},
		{args: "audit show", stdout: "1 login so ok\n2 logout so ok\n  2 audit records\nCommand Result : No Error\n"},
		{args: "audit verify", stdout: "  The chain of 2 audit records is whole.\n  Last record, to keep elsewhere and to give with -last:\n  2:" + strings.Repeat("ab", 64) + "\nCommand Result : No Error\n"},
		{args: "audit verify -last 1:" + strings.Repeat("Cd", 64), stdout: "  The chain of 2 audit records is whole.\n  Record 1 is the one given with -last.\n  Last record, to keep elsewhere and to give with -last:\n  2:" + strings.Repeat("ab", 64) + "\nCommand Result : No Error\n"},
		{args: "audit verify -last 1:abcd", code: 1, stderr: "hsmcm: flag -last: give number and hash of a record as audit verify printed them, as 12:3f9c…\n"},
		{args: "ped disconnect", change: func(f *fake) {
			f.handlers[hsmapi.PedDisconnect] = func(*caller, hsmapi.Fields) (hsmapi.Fields, error) { return nil, errHangUp }
		}, code: 2, stdout: "Error in execution: CKR_DEVICE_REMOVED.\nThe connection to pedclient broke. Check it with  pedclient -mode show; a login has ended with the connection.\nCommand Result : 0x32 (CKR_DEVICE_REMOVED)\n"},

		// Bad input: one line with the remedy, exit 1.
		{args: "ped conect", code: 1, stderr: "hsmcm: unknown command \"ped conect\"; did you mean ped connect?\n"},
		{args: "roll login -n so", code: 1, stderr: "hsmcm: unknown command \"roll login\"; did you mean role login?\n"},
		{args: "ped", code: 1, stderr: "hsmcm: \"ped\" is not a whole command; it goes on as ped connect, ped disconnect, ped set, ped show, ped vector init\n"},
		{args: "frobnicate", code: 1, stderr: "hsmcm: unknown command \"frobnicate\"; help lists the commands\n"},
		{args: "ped connect -pot 3", code: 1, stderr: "hsmcm: unknown flag -pot; did you mean -port?\n"},
		{args: "ped connect -id 0", code: 1, stderr: "hsmcm: flag -id: 0 is outside 1 to 65535\n"},
		{args: "ped connect -port 0", code: 1, stderr: "hsmcm: flag -port: 0 is outside 1 to 65535\n"},
		{args: "ped connect 10.0.0.5", code: 1, stderr: "hsmcm: unexpected word \"10.0.0.5\"; usage: ped connect [-id <N> | -ip <host> | -local] [-port <port>] [flags]\n"},
		{args: "role login", code: 1, stderr: "hsmcm: role login needs -name; usage: role login -name so [-slot <N>]\n"},
		{args: "role login -name sam", code: 1, stderr: "hsmcm: unknown role sam; the HSM's security officer is so\n"},
		{args: "role login -name rpv", code: 1, stderr: "hsmcm: unknown role rpv; the HSM's security officer is so\n"},
		{args: "hsm init", code: 1, stderr: "hsmcm: hsm init needs -label; usage: hsm init -label <label> [-force] [-slot <N>]\n"},
		{args: "hsm init -label é", code: 1, stderr: "hsmcm: flag -label: a label is made of printable ASCII characters\n"},
		{args: "-sokcet x slot list", code: 1, stderr: "hsmcm: unknown flag -sokcet; did you mean -socket?\n"},
		{args: "ped connect -password 12345678", code: 1,
			stderr: "hsmcm: -password takes no password: other users of this host can read command lines; give -password alone for a random password, or -password - to type one\n"},
		{args: "ped connect -pwd=12345678", code: 1,
			stderr: "hsmcm: -pwd takes no password: other users of this host can read command lines; give -pwd alone for a random password, or -pwd - to type one\n"},
		{args: "ped connect -password -", stdin: "1234567\n", code: 1, stderr: "hsmcm: a one-time password is 8 digits\n"},
		{args: "ped connect -password -", stdin: "1234567x\n", code: 1, stderr: "hsmcm: a one-time password is 8 digits\n"},
		{args: "ped connect -password -", code: 1, stderr: "hsmcm: no password on standard input: -password - reads 8 digits from it\n"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			f := newFake()
			if tt.change != nil {
				tt.change(f)
			}
			code, out, errs := console(t, f, tt.stdin, strings.Split(tt.args, " ")...)
			if code != tt.code || out != tt.stdout || errs != tt.stderr {
				t.Errorf("code %d, want %d\n--- stdout\n%s--- want\n%s--- stderr\n%s--- want\n%s", code, tt.code, out, tt.stdout, errs, tt.stderr)
			}
			if tt.code == cmdline.ExitUsage && len(f.requests) > 0 {
				t.Errorf("a bad command line reached pedclient: %v", f.requests)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	for args, want := range map[string]string{
		"ped connect":                                      "ped connect: command=3 slot=1",
		"-slot 2 ped connect -ip 10.0.0.5":                 `ped connect: command=3 slot=2 host="10.0.0.5"`,
		"ped connect -ip ::1 -port 1600 -slot 3":           `ped connect: command=3 slot=3 host="::1" port=1600`,
		"ped connect -password":                            "ped connect: command=3 slot=1 want-password=1",
		"hsm init -l box -f":                               `hsm init: command=8 slot=1 label="box" force=1`,
		"role login -n so":                                 "role login: command=9 slot=1 role=1",
		"role logout":                                      "role logout: command=10 slot=1",
		"ped set -ip ped.example.com":                      `ped set: command=5 slot=1 host="ped.example.com"`,
		"audit show -from 10 -limit 5":                     "audit show: command=12 slot=1 from=10 limit=5",
		"audit show -slot 9":                               "audit show: command=12 slot=9",
		"audit verify -last 7:" + strings.Repeat("Cd", 64): "audit verify: command=13 slot=1 record=7 hash=\"" + strings.Repeat("cd", 64) + "\"",
		"ped connect -port 99 -password -slot 2":           "ped connect: command=3 slot=2 port=99 want-password=1",
		"ped connect -password - -ip 127.0.0.1":            `ped connect: command=3 slot=1 host="127.0.0.1" password=REDACTED`,
		"--slot=2 --socket /nowhere ped vector init":       "ped vector init: command=7 slot=2",
	} {
		f := newFake()
		_, _, errs := console(t, f, "12345678\n", strings.Split(args, " ")...)
		if !reflect.DeepEqual(f.requests, []string{want}) {
			t.Errorf("%s: %q %s", args, f.requests, errs)
		}
	}
}

// TestPasswordFromInput: the digits reach pedclient and nothing else.
func TestPasswordFromInput(t *testing.T) {
	f := newFake()
	code, out, errs := console(t, f, "24681357\n", "ped", "connect", "-password", "-")
	if code != 0 || f.password != "24681357" || strings.Contains(out+errs, "2468") {
		t.Errorf("%d %q %q %q", code, f.password, out, errs)
	}
}

// TestScript: a script on standard input leaves a transcript that reads like a
// session at a terminal; golden file.
func TestScript(t *testing.T) {
	script := `# comment
slot list
ped connect -password -
13572468
role login -name so
hsm showinfo
role logout
role logout
ped conect
hsm init -label "my hsm"
proceed

help ped connect
exit
role login -name so
`
	f := newFake()
	code, out, errs := console(t, f, script)
	golden(t, "script.txt", out+"--- standard error\n"+errs+fmt.Sprintf("--- exit code %d\n", code))
	if f.conns != 1 {
		t.Errorf("%d connections: a login belongs to one", f.conns)
	}
	if strings.Contains(out, "1357") {
		t.Error("the password was echoed")
	}
}

func TestScriptExit(t *testing.T) {
	for script, want := range map[string]int{
		"":                                  0,
		"slot list":                         0,
		"slot list\nexit\nrole logout\n":    0,
		"role logout\nslot list\n":          2,
		"no such command\nslot list\n":      2,
		"hsm init -label 'x\nslot list\n":   2,
		strings.Repeat("x", maxLine+1):      2,
		"slot list\r\nped show\r\nexit\r\n": 0,
	} {
		if code, out, errs := console(t, newFake(), script); code != want {
			t.Errorf("%.40q: exit %d, want %d: %s%s", script, code, want, out, errs)
		}
	}
}

func TestHelp(t *testing.T) {
	_, out, _ := console(t, newFake(), "", "help")
	golden(t, "help.txt", out)
	for _, args := range [][]string{{"-help"}, {"--help"}, {"-h"}} {
		if code, again, _ := console(t, newFake(), "", args...); code != 0 || again != out {
			t.Errorf("%v: %d %s", args, code, again)
		}
	}
	for _, c := range commands {
		words := strings.Fields(c.name)
		code, text, errs := console(t, newFake(), "", append(words, "-help")...)
		if code != 0 || !strings.Contains(text, c.summary) || errs != "" {
			t.Errorf("%s -help: %d %s %s", c.name, code, text, errs)
		}
		for _, f := range strings.Fields(c.flags) {
			if !strings.Contains(text, "-"+strings.TrimSuffix(f, "!")) {
				t.Errorf("help of %s says nothing of -%s", c.name, f)
			}
		}
	}
}

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"":                      nil,
		"  a  b\tc ":            {"a", "b", "c"},
		`hsm init -label "a b"`: {"hsm", "init", "-label", "a b"},
		`'' "x"y`:               {"", "xy"},
		`"a'b"`:                 {"a'b"},
	} {
		got, err := split(line)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q %v", line, got, err)
		}
	}
	if _, err := split(`"open`); err == nil {
		t.Error("an open quote was taken")
	}
}

func TestComplete(t *testing.T) {
	for line, want := range map[string]string{
		"sl":                "slot ",
		"slot s":            "slot set ",
		"ped ":              "ped ",
		"role c":            "role changepw ",
		"role log":          "role log",
		"zzz":               "zzz",
		"ped connect -pass": "ped connect -pass",
	} {
		got, pos, ok := complete(line, len(line), '\t')
		if got != want || pos != len(want) || !ok {
			t.Errorf("%q: %q %d %v", line, got, pos, ok)
		}
	}
	if _, _, ok := complete("ped", 3, 'x'); ok {
		t.Error("a letter was taken for a tab")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (UPDATE_GOLDEN=1 rewrites it):\n--- got\n%s\n--- want\n%s", name, got, want)
	}
}
