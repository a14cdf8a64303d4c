package winacl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// User returns the SID of this process's user.
func User() (string, error) {
	u, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "", fmt.Errorf("user of this process: %w", err)
	}
	return u.User.Sid.String(), nil
}

// Owner returns who is to own what this process makes for others to rely on:
// administrators together where it is one of them, else its user.
func Owner() (string, error) {
	if windows.GetCurrentProcessToken().IsElevated() {
		return Administrators, nil
	}
	return User()
}

// OwnerOf returns the SID of the owner of an open object, such as a pipe.
func OwnerOf(h windows.Handle) (string, error) {
	sd, err := windows.GetSecurityInfo(h, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return "", err
	}
	sid, _, err := sd.Owner()
	if err != nil {
		return "", err
	}
	return sid.String(), nil
}

// UserOf returns the SID of another process's user.
func UserOf(pid int) (string, error) {
	p, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return "", err
	}
	defer windows.CloseHandle(p)
	var t windows.Token
	if err := windows.OpenProcessToken(p, windows.TOKEN_QUERY, &t); err != nil {
		return "", err
	}
	defer t.Close()
	u, err := t.GetTokenUser()
	if err != nil {
		return "", err
	}
	return u.User.Sid.String(), nil
}

// Of returns the owner of a file or folder, and what its access list grants.
func Of(path string) (owner string, entries []Entry, err error) {
	return of(path, func(flags uint8) bool { return flags&windows.INHERIT_ONLY_ACE == 0 })
}

// Exchangeable reports whether others than the user me, administrators and the system
// may put something else in the place of an open folder, or turn it into a link.
func Exchangeable(h windows.Handle, me string) bool {
	sd, err := windows.GetSecurityInfo(h, windows.SE_FILE_OBJECT, asked)
	if err != nil {
		return true // a file system without owners
	}
	owner, entries, err := read(sd, func(flags uint8) bool { return flags&windows.INHERIT_ONLY_ACE == 0 })
	return err != nil || Foreign(owner, entries, me)
}

// asked is what is asked of an object.
const asked = windows.OWNER_SECURITY_INFORMATION | windows.DACL_SECURITY_INFORMATION

// of returns the owner, and the entries with flags that are wanted.
func of(path string, want func(flags uint8) bool) (owner string, entries []Entry, err error) {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, asked)
	if err != nil {
		return "", nil, err
	}
	return read(sd, want)
}

func read(sd *windows.SECURITY_DESCRIPTOR, want func(flags uint8) bool) (owner string, entries []Entry, err error) {
	sid, _, err := sd.Owner()
	if err != nil {
		return "", nil, err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return "", nil, err
	}
	if dacl == nil {
		return "", nil, errors.New("everybody may do everything with it")
	}
	for i := range uint32(dacl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(dacl, i, &ace); err != nil {
			return "", nil, err
		}
		if ace.Header.AceType == windows.ACCESS_ALLOWED_ACE_TYPE && want(ace.Header.AceFlags) {
			entries = append(entries, Entry{SID: (*windows.SID)(unsafe.Pointer(&ace.SidStart)).String(), Rights: uint32(ace.Mask)})
		}
	}
	return sid.String(), entries, nil
}

// LooseIn reports whether a file, or a folder, that is made in dir would be open to
// strangers.
func LooseIn(dir string, folder bool) (bool, error) {
	passed := uint8(windows.OBJECT_INHERIT_ACE)
	if folder {
		passed |= windows.CONTAINER_INHERIT_ACE
	}
	_, entries, err := of(dir, func(flags uint8) bool { return flags&passed != 0 })
	if err != nil {
		return false, err
	}
	user, err := User()
	if err != nil {
		return false, err
	}
	return Loose(entries, user), nil
}

// OwnPrivate are the entries of what this process makes for itself alone: where it
// is elevated they are administrators', and not those of its user without that.
func OwnPrivate() ([]Entry, error) {
	owner, err := Owner()
	if err != nil {
		return nil, err
	}
	return Private(owner), nil
}

// Set replaces the access list of a folder, and what it had inherited, and makes
// administrators its owner.
func Set(dir string, entries ...Entry) error {
	sd, err := windows.SecurityDescriptorFromString(Descriptor(Administrators, true, entries...))
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, owner, nil, dacl, nil)
}

// Mkdir makes a folder with exactly these entries.
func Mkdir(dir string, entries ...Entry) error {
	sa, err := Attributes(Descriptor("", true, entries...))
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	if err := windows.CreateDirectory(name, sa); err != nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	return nil
}

// Create makes a new file with exactly these entries from its first moment: what
// is opened before a list is set stays open.
func Create(path string, entries ...Entry) (*os.File, error) {
	sa, err := Attributes(Descriptor("", false, entries...))
	if err != nil {
		return nil, err
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, sa,
		windows.CREATE_NEW, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// Attributes returns what a new object is made with.
func Attributes(descriptor string) (*windows.SecurityAttributes, error) {
	sd, err := windows.SecurityDescriptorFromString(descriptor)
	if err != nil {
		return nil, err
	}
	sa := &windows.SecurityAttributes{SecurityDescriptor: sd}
	sa.Length = uint32(unsafe.Sizeof(*sa))
	return sa, nil
}
