package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"openped/pedclient"
	"openped/test/lab"
)

const connectLocal = "ped connect -local"

// clientSlot is slot 1 as pedclient shows it to programs.
func clientSlot(t *testing.T, l *lab.Lab) pedclient.SlotStatus {
	t.Helper()
	out, err := l.Run("pedclient", "-mode", "show", "-format", "json")
	var st pedclient.Status
	if err == nil {
		err = json.Unmarshal([]byte(out), &st)
	}
	if err != nil || len(st.Slots) == 0 {
		t.Fatalf("pedclient -mode show: %v\n%s", err, out)
	}
	return st.Slots[0]
}

// refuses runs a console command that must fail so.
func refuses(t *testing.T, l *lab.Lab, command, code, words string) {
	t.Helper()
	e, err := l.Perform(lab.Play{Command: command})
	if err != nil || !strings.Contains(e.Result, code) || !strings.Contains(e.Output, words) {
		t.Errorf("%s: %v, want %s with %q\n%s", command, err, code, words, e)
	}
}

// withLocal is a host with a PED of its own in Local, and no pedserver.
func withLocal(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	o.Mode = "local"
	l := lab.New(t, o)
	l.StartPED()
	l.StartClient()
	out, err := l.Run("pedclient", "-mode", "config", "-set", "-peddevice", "unix:"+l.Path("ped.sock"))
	if err != nil || !strings.Contains(out, "Taken now:                  PedDevice") {
		t.Fatalf("%v\n%s", err, out)
	}
	return l
}

// choose chooses a mode at the PED, and waits until the program that has it open
// has heard of it.
func choose(t *testing.T, l *lab.Lab, mode string, heard func() (string, error)) {
	t.Helper()
	if err := l.PED().Mode(mode); err != nil {
		t.Fatal(err)
	}
	l.Poll(0, "the PED's mode is known", func() error {
		text, err := heard()
		if err == nil && !strings.Contains(text, mode) {
			err = fmt.Errorf("%q", text)
		}
		return err
	})
}

// A new HSM gets its first orange key, is initialised and logged in to at a PED of
// its own host, with no PEDserver and no password. Then that PED goes to a
// workstation, and the orange key opens the way from there.
func TestLocalPED(t *testing.T) {
	t.Parallel()
	l := withLocal(t, lab.Options{})
	l.Must(connectLocal, lab.People{})
	if e := l.Must("ped vector init", lab.Everybody()); strings.Contains(strings.Join(e.Screens, " "), "key.") {
		t.Errorf("an orange key was asked for: %s", e.Screens)
	}
	l.Init()
	if e := l.Must(login, lab.Everybody()); strings.Contains(strings.Join(e.Screens, " "), "key.") {
		t.Errorf("an orange key was asked for: %s", e.Screens)
	}
	device := "unix:" + l.Path("ped.sock")
	if out, err := l.HSMCM("ped", "show"); err != nil || !strings.Contains(out, device) || !strings.Contains(out, "a local one") {
		t.Errorf("ped show: %v\n%s", err, out)
	}
	if s := clientSlot(t, l); !s.Local || s.PEDDevice != device || !s.Connected || s.PEDServer != "" {
		t.Errorf("pedclient -mode show: %+v", s)
	}
	if out, err := l.Run("pedclient", "-mode", "show"); err != nil || !strings.Contains(out, "Local PED:               "+device) {
		t.Errorf("pedclient -mode show: %v\n%s", err, out)
	}

	// One program at a time has the PED. Which one that is only root may see:
	// pedclient lets nobody look into it, not even its own user.
	holder := "in use by pedclient (process "
	if os.Geteuid() != 0 {
		holder = "in use by another program"
	}
	l.StartServer()
	l.Poll(10*time.Second, "pedserver says that the PED is taken", func() error {
		st, err := l.ServerStatus()
		if err == nil && !strings.Contains(st.PED.Reason, holder) {
			err = fmt.Errorf("it says %q", st.PED.Reason)
		}
		return err
	})
	l.Must("ped disconnect", lab.People{})
	l.Poll(10*time.Second, "pedserver has the PED", func() error {
		st, err := l.ServerStatus()
		if err == nil && !st.PED.Connected {
			err = fmt.Errorf("it says %q", st.PED.Reason)
		}
		return err
	})
	refuses(t, l, connectLocal, "CKR_PED_BUSY", "in use by pedserver (process ")
	refuses(t, l, l.Connect(), "CKR_PED_REFUSED", "") // still in Local
	choose(t, l, "remote", func() (string, error) { st, err := l.ServerStatus(); return st.PED.Mode, err })
	l.Must(l.Connect(), lab.People{})
	l.Must("role logout", lab.People{})
	if e := l.Must(login, lab.Everybody()); !strings.Contains(strings.Join(e.Screens, " "), "key.insert") {
		t.Errorf("no orange key was asked for: %s", e.Screens)
	}
	refuses(t, l, connectLocal, "CKR_OPERATION_ACTIVE", "everything goes there")

	// The PED's operator decides.
	l.Must("ped disconnect", lab.People{})
	l.Server().Stop()
	refuses(t, l, connectLocal, "CKR_PED_REFUSED", "is in mode remote, and a local connection needs mode local")
	if err := l.PED().Press("<"); err != nil {
		t.Fatal(err)
	}
	refuses(t, l, connectLocal, "CKR_PED_REFUSED", "") // its warning, or its menu
	if err := l.PED().Mode("local"); err != nil {
		t.Fatal(err)
	}
	l.Must(connectLocal, lab.People{})
	pedShow := func() (string, error) { return l.HSMCM("ped", "show") }
	choose(t, l, "remote", pedShow)
	refuses(t, l, "role changepw -name so", "CKR_PED_REFUSED", "PED not ready")
	choose(t, l, "local", func() (string, error) {
		out, err := pedShow()
		_, after, _ := strings.Cut(out, "PED mode ")
		return after, err
	})
	l.Must("role changepw -name so", lab.Everybody())
	if out, err := l.HSMCM("audit", "verify"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The cable of a local PED is pulled while a key is awaited: the command fails
// within 2 s. F-01: until the PED is back, logins are refused before they begin;
// then they work with no word from anybody.
//
// Without the remedy (the slot's ready before a command) a login says that no PED
// is connected, and goes on saying so.
func TestF01_LocalPEDUnplugged(t *testing.T) {
	t.Parallel()
	l := withLocal(t, lab.Options{From: lab.Prepared(t, 1)})
	l.Must(connectLocal, lab.People{})
	var pulled time.Time
	e, err := l.Perform(lab.Play{Command: login, People: lab.Everybody(), At: func(s lab.Screen) bool {
		if s.ID != "login.insert" {
			return true
		}
		pulled = time.Now()
		l.PED().Kill()
		return false
	}})
	if took := time.Since(pulled); err != nil || !strings.Contains(e.Result, "CKR_PED_UNPLUGGED") || took > 2*time.Second {
		t.Errorf("%v after %v: %s", err, took, e)
	}
	refuses(t, l, login, "CKR_PED_UNPLUGGED", "PED not ready")
	l.StartPED()
	refuses(t, l, login, "CKR_PED_REFUSED", "PED not ready")
	if err := l.PED().Mode("local"); err != nil {
		t.Fatal(err)
	}
	e = l.Must(login, lab.Everybody())
	if strings.Contains(e.Output, "Caution: You have only 1") || strings.Contains(e.Output, "Caution: You have only 2") {
		t.Errorf("an attempt was counted: %s", e)
	}
	// After `ped disconnect` nothing is opened again.
	l.Must("ped disconnect", lab.People{})
	refuses(t, l, "role changepw -name so", "CKR_PED_UNPLUGGED", "")
	if s := clientSlot(t, l); s.Connected {
		t.Errorf("%+v", s)
	}
}

// Local and remote PED of one HSM: what goes on at the local one is not disturbed,
// and is named to who calls from elsewhere; a remote one takes over from an idle
// local one, and then the local one is out.
func TestLocalAndRemotePED(t *testing.T) {
	t.Parallel()
	rack := withLocal(t, lab.Options{From: lab.Prepared(t, 1), ClientFlags: []string{"-socketreadtimeout", "2"}})
	desk := lab.New(t, lab.Options{From: lab.Prepared(t, 1)})
	desk.StartPED()
	desk.StartServer()
	rack.Must(connectLocal, lab.People{})
	asked := false
	e, err := rack.Perform(lab.Play{Command: login, People: lab.Everybody(), At: func(s lab.Screen) bool {
		if s.ID == "login.insert" && !asked {
			asked = true
			begin := time.Now()
			out, err := rack.HSMCM(strings.Fields(desk.Connect())...)
			if err == nil || !strings.Contains(out, "CKR_OPERATION_ACTIVE") || !strings.Contains(out, "local PED is at work") || !strings.Contains(out, "role login by uid") {
				t.Errorf("a remote PED beside a local login: %v\n%s", err, out)
			}
			if took := time.Since(begin); took < 2*time.Second {
				t.Errorf("it did not wait: %v", took)
			}
		}
		return true
	}})
	if err != nil || !e.OK() || !asked {
		t.Fatalf("the local login was disturbed: %v\n%s", err, e)
	}
	rack.Must(desk.Connect(), lab.People{})
	refuses(t, rack, connectLocal, "CKR_OPERATION_ACTIVE", "remote PED is connected to this HSM, and as long as it is everything goes there (the PEDserver at ")
	refuses(t, rack, desk.Connect(), "CKR_OPERATION_ACTIVE", "ped disconnect")
	rack.Must("role logout", lab.People{})
	if e, err := lab.Perform(rack.Console(), desk.PED, lab.Play{Command: login, People: lab.Everybody()}); err != nil || !e.OK() {
		t.Errorf("%v\n%s", err, e)
	}
	if s := clientSlot(t, rack); s.Local || s.PEDServer == "" {
		t.Errorf("%+v", s)
	}
	// The local PED is free for other programs now.
	rack.Must("ped disconnect", lab.People{})
	rack.Must(connectLocal, lab.People{})
}
