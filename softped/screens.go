package softped

import (
	"fmt"

	"openped/protocol"
)

// head is the top of every screen of an operation: which HSM (its certified
// serial, or that it is unverified) and what for.
type head struct {
	slot string // line 1
	op   string // line 2
}

// unverified stands where the serial does while no known origin root vouches
// for it.
const unverified = "UNVERIFIED"

// slotLine is line 1: the vendor's "SLOT" and, at its right, the HSM's serial.
func slotLine(serial string) string {
	if serial == "" {
		return "SLOT"
	}
	return pad("SLOT", clip(serial, Columns-len("SLOT ")))
}

func (h head) page(id string, rows ...string) page {
	return newPage(id, append([]string{h.slot, h.op}, rows...)...)
}

// What an operation is called on line 2.
const opSession = "COMPUTE SESSION KEY."

var roleWords = map[protocol.Role]string{
	protocol.RoleSO: "SO", protocol.RoleAU: "AUDIT", protocol.RolePO: "PO",
	protocol.RoleCO: "CO", protocol.RoleLCO: "LCO", protocol.RoleCU: "CU",
}

func opLogin(r protocol.Role) string {
	if w, ok := roleWords[r]; ok {
		return w + " LOGIN..."
	}
	return opReading(r)
}

func opSetting(r protocol.Role) string { return "SETTING " + secretWord(r) }
func opReading(r protocol.Role) string { return "READING " + secretWord(r) }

func secretWord(r protocol.Role) string {
	switch r {
	case protocol.RoleDomain:
		return "DOMAIN..."
	case protocol.RoleRPV:
		return "RPV..."
	}
	return roleWords[r] + " PIN..."
}

// keyNames are the two rows that name a key.
var keyNames = map[protocol.KeyType][2]string{
	protocol.KeySO:     {"SO / HSM Admin", "PED Key (BLUE)"},
	protocol.KeyDomain: {"Domain", "PED Key (RED)"},
	protocol.KeyRPK:    {"RPK / Remote", "PED Key (ORANGE)"},
	protocol.KeyUser:   {"User", "PED Key (BLACK)"},
	protocol.KeyAudit:  {"Auditor", "PED Key (WHITE)"},
}

// Screens outside operations.

func idlePage(m protocol.PEDMode) page {
	return newPage("idle", modeWord(m)+" PED mode", "Awaiting command...")
}

func readyPage(m protocol.PEDMode) page {
	return newPage("remote.ready", modeWord(m)+" PED mode", "Token found")
}

func modeWord(m protocol.PEDMode) string {
	switch m {
	case protocol.PEDModeLocal:
		return "Local"
	case protocol.PEDModePair:
		return "Pair"
	}
	return "Remote"
}

// menuPage has one entry more than the vendor's menu: Pair, in its blank line.
func menuPage(firmware string) page {
	return newPage("menu", "Select Mode", "1 Local PED-SCP", "4 Admin", "7 Remote PED", "0 Local PED-USB",
		"9 Pair with new HSM", "PED V."+clip(firmware, Columns-len("PED V.")))
}

func exitWarningPage() page {
	return newPage("menu.exit-warning", "", "** WARNING **", "Exiting now will", "invalidate the RPK.", "Confirm? YES/NO")
}

func adminPage() page {
	return newPage("admin", "Admin mode...", "1 PED Key", "5 Backup Devices", "7 Software Update", "9 Self Test", "", "< EXIT")
}

func unavailablePage() page {
	return newPage("menu.unavailable", "Not available", "on this PED.", "", "Press ENTER.")
}

func logPage(entries []string) page {
	return newPage("log", append([]string{"PED log:"}, entries...)...)
}

// Screens of an operation.

// insertPage asks for a key. done counts what was read or written so far; with
// more than one key it shows from the second on.
func (h head) insertPage(id, verb string, k protocol.KeyType, done, of int) page {
	n := keyNames[k]
	if done == 0 {
		return h.page(id, "Insert a", n[0], n[1], "Press ENTER.")
	}
	return h.page(id, fmt.Sprintf("Keys %s: %02d of %02d", verb, done, of), "Insert another", n[0], n[1], "Press ENTER.")
}

// lastTry marks an insert or PIN page: another failure has consequences.
func (p page) lastTry() page {
	for len(p.rows) < Rows-2 {
		p.rows = append(p.rows[:len(p.rows):len(p.rows)], "")
	}
	if len(p.rows) < Rows-1 {
		p.rows = append(p.rows, "LAST ATTEMPT!")
	}
	return p
}

// pinPage asks for the PIN of a key. On a split, line 6 and 7 say that nobody
// can tell yet whether it is right.
func (h head) pinPage(id string, typed int, split bool) page {
	rows := []string{"Enter PED PIN:", stars(typed)}
	if split {
		rows = append(rows, "", "Checked after the", "last key.")
	}
	return h.page(id, rows...)
}

// newPINPage asks for a new PIN, then for the same again.
func (h head) newPINPage(id string, first, second int) page {
	rows := []string{"Enter new PED PIN:"}
	if first > 0 {
		rows = append(rows, stars(first))
	}
	rows = append(rows, "Confirm new PED PIN:")
	if second > 0 {
		rows = append(rows, stars(second))
	}
	return h.page(id, rows...)
}

func (h head) reusePage() page {
	return h.page("create.reuse", "Would you like to", "reuse an existing", "keyset? (Y/N)")
}

func (h head) quorumPage(id, question, typed string, wrong bool) page {
	note := ""
	if wrong {
		note = "Out of range."
	}
	return h.page(id, question, "", ">"+typed, note)
}

func (h head) mPage(typed string, wrong bool) page {
	return h.quorumPage("create.m", "M value? (1-16)", typed, wrong)
}

func (h head) nPage(typed string, wrong bool) page {
	return h.quorumPage("create.n", "N value? (M-16)", typed, wrong)
}

func (h head) blankPage() page {
	return h.page("create.blank", "  ** WARNING **", "This PED Key is", "blank.", "Overwrite? YES/NO")
}

func (h head) notBlankPage(k protocol.KeyType) page {
	return h.page("create.notblank", "  ** WARNING **", "This PED Key is for", keyNames[k][0]+".", "Overwrite? YES/NO")
}

func (h head) surePage() page {
	return h.page("create.sure", "  ** WARNING **", "Are you sure you", "want to overwrite", "this PED key? YES/NO")
}

func (h head) writingPage() page {
	return h.page("create.writing", "Writing PED Key...", "Do not remove it.")
}

func (h head) duplicatePage() page {
	return h.page("create.duplicate", "Are you duplicating", "this keyset?(Y/N)")
}

func (h head) anotherDuplicatePage() page {
	return h.page("create.duplicate-another", "Would you like to", "make another", "duplicate set?(Y/N)")
}

func (h head) againPage(k protocol.KeyType) page {
	n := keyNames[k]
	return h.page("reuse.again", "Read all keys again.", "Insert a", n[0], n[1], "Press ENTER.")
}

func (h head) reuseDuplicatePage() page {
	return h.page("reuse.duplicate", "Are you duplicating", "this keyset? (Y/N)", "Warning: You will", "need all N keys!")
}

// foreignPage asks a custodian whether a key may serve an HSM that it does not
// list. The serial is the certified one, in full.
func (h head) foreignPage(serial string) page {
	return h.page("login.foreign", "Key not made for HSM", clip(serial, Columns), "Give it your secret?", "YES/NO")
}

// computePage stands while the HSM judges what it was sent.
func (h head) computePage() page { return h.page("session.compute", "Please wait...") }

func (h head) passwordPage(typed int) page {
	return h.page("otp.password", "", "Enter PED Password.", "", stars(typed)+cursor)
}

// unverifiedPage is the password page for an HSM whose origin root the PED does
// not know. The name, a label or else a serial, is only what the HSM says of
// itself.
func (h head) unverifiedPage(name string, typed int) page {
	return h.page("otp.unverified", "HSM: "+clip(name, Columns-len("HSM: ")), "Enter PED Password.", "", stars(typed)+cursor)
}

// cursor stands for the vendor's block, which is not ASCII.
const cursor = "_"

func (h head) erasePage() page {
	return h.page("confirm.erase", "  ** WARNING **", "All contents of this", "HSM will be erased.", "Continue? YES/NO")
}

// Notices in a dialogue: ENTER looks at the port again.

func (h head) noKeyPage() page {
	return h.page("notice.no-key", "No PED Key found.", "Insert one.", "Press ENTER.")
}

// What a key is, for wrongKeyPage.
const (
	isBlank   = "blank."
	isOther   = "of another keyset."
	isNotSame = "not the one before."
)

func isFor(k protocol.KeyType) string { return "for " + keyNames[k][0] + "." }

func (h head) wrongKeyPage(what string, want protocol.KeyType) page {
	return h.page("notice.wrong-key", "Wrong PED Key, it is", what, "Insert another", keyNames[want][1], "Press ENTER.")
}

func (h head) sameKeyPage(want protocol.KeyType) page {
	return h.page("notice.same-key", "PED Key used already", "Insert another", keyNames[want][1], "Press ENTER.")
}

func (h head) badPINPage(rows ...string) page {
	return h.page("notice.bad-pin", append(rows, "Press ENTER.")...)
}

func (h head) keyFaultPage(rows ...string) page {
	return h.page("notice.key-fault", append(rows, "Press ENTER.")...)
}

// Notices that end an operation: any key, or a few seconds, remove them.

func (h head) failedPage(rows ...string) page { return h.page("notice.failed", rows...) }
func (h head) donePage() page                 { return h.page("notice.done", "Done.") }
func (h head) timeoutPage() page {
	return h.page("notice.timeout", "Time is up.", "Nothing was done", "with the last step.")
}
