package softped

import (
	"flag"
	"os"
	"strings"
	"testing"

	"openped/protocol"
)

var update = flag.Bool("update", false, "write the golden files anew")

// soSetting and the others are the heads of the documented screens: "SLOT" with
// nothing behind it.
var (
	soSetting  = head{"SLOT", opSetting(protocol.RoleSO)}
	soReading  = head{"SLOT", opReading(protocol.RoleSO)}
	soLogin    = head{"SLOT", opLogin(protocol.RoleSO)}
	rpvSetting = head{"SLOT", opSetting(protocol.RoleRPV)}
	session    = head{"SLOT", opSession}
)

// TestLiterals compares the screens with the documented ones of the hardware,
// character by character. Two things differ, and nothing else: the cursor, a
// block there and an underscore here, and the line that the menu has blank.
func TestLiterals(t *testing.T) {
	const so, rpk = protocol.KeySO, protocol.KeyRPK
	for _, c := range []struct {
		page page
		want string
	}{
		{menuPage("2.7.1-5"), "Select Mode\n1 Local PED-SCP\n4 Admin\n7 Remote PED\n0 Local PED-USB\n9 Pair with new HSM\nPED V.2.7.1-5"},
		{adminPage(), "Admin mode...\n1 PED Key\n5 Backup Devices\n7 Software Update\n9 Self Test\n\n< EXIT"},
		{readyPage(protocol.PEDModeRemote), "Remote PED mode\nToken found"},
		{idlePage(protocol.PEDModeLocal), "Local PED mode\nAwaiting command..."},
		// Create PED keys, stage 1.
		{soSetting.reusePage(), "SLOT\nSETTING SO PIN...\nWould you like to\nreuse an existing\nkeyset? (Y/N)"},
		{soSetting.insertPage("reuse.insert", "read", so, 0, 0), "SLOT\nSETTING SO PIN...\nInsert a\nSO / HSM Admin\nPED Key (BLUE)\nPress ENTER."},
		{soReading.pinPage("reuse.pin", 5, false), "SLOT\nREADING SO PIN...\nEnter PED PIN:\n*****"},
		{soReading.insertPage("reuse.insert-another", "read", so, 1, 3), "SLOT\nREADING SO PIN...\nKeys read: 01 of 03\nInsert another\nSO / HSM Admin\nPED Key (BLUE)\nPress ENTER."},
		{soReading.reuseDuplicatePage(), "SLOT\nREADING SO PIN...\nAre you duplicating\nthis keyset? (Y/N)\nWarning: You will\nneed all N keys!"},
		// Stage 2.
		{soSetting.mPage("03", false), "SLOT\nSETTING SO PIN...\nM value? (1-16)\n\n>03"},
		{soSetting.nPage("05", false), "SLOT\nSETTING SO PIN...\nN value? (M-16)\n\n>05"},
		// Stage 3.
		{soSetting.insertPage("create.insert", "write", so, 0, 5), "SLOT\nSETTING SO PIN...\nInsert a\nSO / HSM Admin\nPED Key (BLUE)\nPress ENTER."},
		{soSetting.insertPage("create.insert-another", "write", so, 3, 5), "SLOT\nSETTING SO PIN...\nKeys write: 03 of 05\nInsert another\nSO / HSM Admin\nPED Key (BLUE)\nPress ENTER."},
		{soSetting.blankPage(), "SLOT\nSETTING SO PIN...\n  ** WARNING **\nThis PED Key is\nblank.\nOverwrite? YES/NO"},
		{soSetting.notBlankPage(protocol.KeyDomain), "SLOT\nSETTING SO PIN...\n  ** WARNING **\nThis PED Key is for\nDomain.\nOverwrite? YES/NO"},
		{soSetting.surePage(), "SLOT\nSETTING SO PIN...\n  ** WARNING **\nAre you sure you\nwant to overwrite\nthis PED key? YES/NO"},
		{soSetting.newPINPage("create.pin-again", 5, 5), "SLOT\nSETTING SO PIN...\nEnter new PED PIN:\n*****\nConfirm new PED PIN:\n*****"},
		{soSetting.newPINPage("create.pin", 0, 0), "SLOT\nSETTING SO PIN...\nEnter new PED PIN:\nConfirm new PED PIN:"},
		// Stage 4.
		{soSetting.duplicatePage(), "SLOT\nSETTING SO PIN...\nAre you duplicating\nthis keyset?(Y/N)"},
		{soSetting.anotherDuplicatePage(), "SLOT\nSETTING SO PIN...\nWould you like to\nmake another\nduplicate set?(Y/N)"},
		// Set or rotate the RPV.
		{rpvSetting.reusePage(), "SLOT\nSETTING RPV...\nWould you like to\nreuse an existing\nkeyset? (Y/N)"},
		{rpvSetting.insertPage("create.insert", "write", rpk, 0, 1), "SLOT\nSETTING RPV...\nInsert a\nRPK / Remote\nPED Key (ORANGE)\nPress ENTER."},
		// One-time password and session key.
		{session.passwordPage(5), "SLOT\nCOMPUTE SESSION KEY.\n\nEnter PED Password.\n\n*****\u25a0"},
		{session.insertPage("key.insert", "read", rpk, 0, 0), "SLOT\nCOMPUTE SESSION KEY.\nInsert a\nRPK / Remote\nPED Key (ORANGE)\nPress ENTER."},
		// Authenticate.
		{soLogin.insertPage("login.insert", "read", so, 0, 0), "SLOT\nSO LOGIN...\nInsert a\nSO / HSM Admin\nPED Key (BLUE)\nPress ENTER."},
		{soLogin.pinPage("login.pin", 5, false), "SLOT\nSO LOGIN...\nEnter PED PIN:\n*****"},
		{soLogin.insertPage("login.insert-another", "read", so, 1, 2), "SLOT\nSO LOGIN...\nKeys read: 01 of 02\nInsert another\nSO / HSM Admin\nPED Key (BLUE)\nPress ENTER."},
		// Leaving Remote PED mode.
		{exitWarningPage(), "\n** WARNING **\nExiting now will\ninvalidate the RPK.\nConfirm? YES/NO"},
	} {
		got := strings.Join(c.page.rows, "\n")
		if want := strings.ReplaceAll(c.want, "\u25a0", cursor); strings.TrimRight(got, "\n") != want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.page.id, got, want)
		}
	}
}

// TestScreensGolden shows every screen there is, for docs/SPEC.md and for eyes.
// It also builds each for every role and colour, so that none can panic.
func TestScreensGolden(t *testing.T) {
	s := head{slotLine("HSM-1001"), opSetting(protocol.RoleSO)}
	r := head{s.slot, opReading(protocol.RoleSO)}
	l := head{s.slot, opLogin(protocol.RoleSO)}
	c := head{s.slot, opSession}
	const so, rpk = protocol.KeySO, protocol.KeyRPK
	pages := []page{
		idlePage(protocol.PEDModeRemote), readyPage(protocol.PEDModeRemote), menuPage("2.9.0"), exitWarningPage(), adminPage(), unavailablePage(),
		logPage([]string{"SO LOGIN... ok"}),
		c.insertPage("key.insert", "read", rpk, 0, 0), c.insertPage("key.insert-another", "read", rpk, 1, 2), c.pinPage("key.pin", 4, true),
		c.passwordPage(3), head{slotLine(unverified), opSession}.unverifiedPage("factory hsm", 8), c.computePage(),
		l.insertPage("login.insert", "read", so, 0, 0), l.insertPage("login.insert", "read", so, 0, 0).lastTry(), l.insertPage("login.insert-another", "read", so, 1, 2),
		l.foreignPage("HSM-2002"), l.pinPage("login.pin", 4, false), l.pinPage("login.pin", 4, false).lastTry(), l.pinPage("login.pin", 30, true),
		s.reusePage(), s.mPage("3", false), s.mPage("", true), s.nPage("05", false),
		s.insertPage("create.insert", "write", so, 0, 3), s.insertPage("create.insert-another", "write", so, 1, 3),
		s.blankPage(), s.notBlankPage(protocol.KeyDomain), s.surePage(), s.newPINPage("create.pin", 4, 0), s.newPINPage("create.pin-again", 4, 2), s.writingPage(),
		s.duplicatePage(), s.anotherDuplicatePage(),
		s.insertPage("reuse.insert", "read", so, 0, 0), r.insertPage("reuse.insert-another", "read", so, 1, 2), r.pinPage("reuse.pin", 4, false), r.againPage(so), r.reuseDuplicatePage(),
		head{s.slot, "HSM INIT..."}.erasePage(),
		l.noKeyPage(), l.wrongKeyPage(isBlank, so), l.wrongKeyPage(isFor(protocol.KeyDomain), so), l.sameKeyPage(so),
		s.badPINPage("PINs are not the", "same."), s.badPINPage("A PIN has 4 to 48", "digits, the first", "not 0; or none."),
		l.keyFaultPage("PED Key was removed.", "Insert it again."),
		l.failedPage("Wrong key or PIN."), l.donePage(), l.timeoutPage(),
	}
	var b strings.Builder
	for _, p := range pages {
		b.WriteString(p.id + "\n")
		for _, row := range (Screen{Lines: p.lines(-1)}).Boxed() {
			b.WriteString(row + "\n")
		}
	}
	const file = "testdata/screens.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("screens differ from %s; look at them, then run with -update:\n%s", file, b.String())
	}

	for role := protocol.RoleSO; role <= protocol.RoleRPV; role++ {
		for _, op := range []string{opLogin(role), opSetting(role), opReading(role)} {
			for k := protocol.KeySO; k <= protocol.KeyAudit; k++ {
				h := head{slotLine(strings.Repeat("S", 32)), op}
				h.insertPage("x", "write", k, 16, 16)
				h.insertPage("x", "read", k, 0, 16).lastTry()
				h.notBlankPage(k)
				h.wrongKeyPage(isFor(k), k)
				h.wrongKeyPage(isOther, k)
				h.wrongKeyPage(isNotSame, k)
				h.sameKeyPage(k)
				h.againPage(k)
			}
			h := head{"SLOT", op}
			h.foreignPage(strings.Repeat("S", 32))
			h.unverifiedPage(strings.Repeat("L", 32), 8)
			h.pinPage("x", 48, true).lastTry()
			h.newPINPage("x", 48, 48)
		}
	}
}

// TestRolesTellApart: a custodian sees which role a share is given for.
func TestRolesTellApart(t *testing.T) {
	seen := map[string]protocol.Role{}
	for role := protocol.RoleSO; role <= protocol.RoleRPV; role++ {
		if other, ok := seen[opLogin(role)]; ok {
			t.Errorf("%v and %v have the same login screen", role, other)
		}
		seen[opLogin(role)] = role
	}
}
