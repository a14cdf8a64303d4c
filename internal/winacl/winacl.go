package winacl

import (
	"cmp"
	"crypto/sha1" // how Windows makes the SIDs of services
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// SIDs that every Windows has.
const (
	System         = "S-1-5-18"
	Administrators = "S-1-5-32-544"
	Users          = "S-1-5-32-545"
	creator        = "S-1-3-0" // stands for whoever makes what inherits it
	// installer is TrustedInstaller, whose Windows and its programs are.
	installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
)

// Rights.
const (
	Full   = 0x1f01ff // FILE_ALL_ACCESS
	Modify = 0x1301bf // Full without saying who may
	Read   = 0x1200a9 // and passing through a folder
	// Client is reading and writing of a pipe, but for one right that Windows
	// counts with writing: to make another instance of it
	// (FILE_CREATE_PIPE_INSTANCE), with which a member could take the daemon's
	// callers.
	Client = 0x12019b
	// Add are the rights to put something new into a folder: FILE_ADD_FILE,
	// FILE_ADD_SUBDIRECTORY.
	Add = 0x2 | 0x4
	// Change are the rights to put something into a folder, to take or change what
	// is there, and to change who may: FILE_ADD_FILE, FILE_ADD_SUBDIRECTORY,
	// FILE_DELETE_CHILD, DELETE, WRITE_DAC, WRITE_OWNER, GENERIC_ALL, GENERIC_WRITE.
	Change = Add | 0x40 | 0x10000 | 0x40000 | 0x80000 | 0x10000000 | 0x40000000
	// Look are those, and the rights to read: FILE_READ_DATA, GENERIC_READ.
	Look = Change | 0x1 | 0x80000000
)

// Entry lets somebody do something.
type Entry struct {
	SID    string
	Rights uint32
	Passed string // on to what is in a folder, as SDDL has it; "": to everything
}

// TopOnly passes an entry of a folder on to the files in it, and not to folders.
const TopOnly = "OINP"

// Descriptor returns a security descriptor in the language of SDDL: these entries
// and no others. Owner may be empty: whoever makes the object. For a folder the
// entries are also those of what will be in it.
func Descriptor(owner string, folder bool, entries ...Entry) string {
	var b strings.Builder
	if owner != "" {
		b.WriteString("O:" + owner)
	}
	b.WriteString("D:P") // protected: nothing is inherited
	seen := map[Entry]bool{}
	for _, e := range entries {
		flags := ""
		if folder {
			flags = cmp.Or(e.Passed, "OICI")
		}
		if e.SID != "" && !seen[e] {
			seen[e] = true
			fmt.Fprintf(&b, "(A;%s;0x%x;;;%s)", flags, e.Rights, e.SID)
		}
	}
	return b.String()
}

// Private are the entries of what is the user's alone, and of administrators and
// the system.
func Private(user string) []Entry {
	return []Entry{{SID: System, Rights: Full}, {SID: Administrators, Rights: Full}, {SID: user, Rights: Full}}
}

// Stranger returns the first who is given one of the rights and is not among the
// trusted, which the system and administrators are always, and a service that somebody
// has let in by name; "" if there is none.
func Stranger(entries []Entry, rights uint32, trusted ...string) string {
	trusted = append(trusted, System, Administrators)
	for _, e := range entries {
		if e.Rights&rights != 0 && !Among(e.SID, trusted...) && !IsService(e.SID) {
			return e.SID
		}
	}
	return ""
}

// turn is the right that suffices to turn an empty folder into a junction:
// FILE_WRITE_ATTRIBUTES.
const turn = 0x100

// Foreign reports whether a folder with this owner and these entries is one that
// others than the user me, administrators and the system may exchange or turn into a
// link. Services are others.
func Foreign(owner string, entries []Entry, me string) bool {
	trusted := []string{me, System, Administrators, installer}
	if !Among(owner, trusted...) {
		return true
	}
	for _, e := range entries {
		if e.Rights&(Change|turn) != 0 && !Among(e.SID, trusted...) {
			return true
		}
	}
	return false
}

// Loose reports whether these entries, which a folder passes on, let others than the
// user look.
func Loose(entries []Entry, user string) bool { return Stranger(entries, Look, user, creator) != "" }

// IsService reports whether a SID is that of one service.
func IsService(sid string) bool { return strings.HasPrefix(sid, "S-1-5-80-") && sid != "S-1-5-80-0" } // which is all of them

// Among reports whether a SID is one of some.
func Among(sid string, some ...string) bool {
	for _, s := range some {
		if sid != "" && strings.EqualFold(s, sid) {
			return true
		}
	}
	return false
}

// ServiceSID returns the SID of a service, which is also that of its virtual
// account NT SERVICE\NAME.
func ServiceSID(name string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(strings.ToUpper(name))) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	sum := sha1.Sum(b)
	sid := "S-1-5-80"
	for i := 0; i < len(sum); i += 4 {
		sid += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum[i:]))
	}
	return sid
}
