package winacl

import (
	"errors"
	"fmt"
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
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return "", nil, err
	}
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
		if ace.Header.AceType == windows.ACCESS_ALLOWED_ACE_TYPE && ace.Header.AceFlags&windows.INHERIT_ONLY_ACE == 0 {
			entries = append(entries, Entry{(*windows.SID)(unsafe.Pointer(&ace.SidStart)).String(), uint32(ace.Mask)})
		}
	}
	return sid.String(), entries, nil
}

// Set replaces the access list of a file or folder, and what it had inherited.
func Set(path string, folder bool, entries ...Entry) error {
	dacl, err := list(folder, entries)
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}

// SetOpen is Set for a file that is open for WRITE_DAC.
func SetOpen(h windows.Handle, entries ...Entry) error {
	dacl, err := list(false, entries)
	if err != nil {
		return err
	}
	return windows.SetSecurityInfo(h, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}

func list(folder bool, entries []Entry) (*windows.ACL, error) {
	sd, err := windows.SecurityDescriptorFromString(Descriptor("", folder, entries...))
	if err != nil {
		return nil, err
	}
	dacl, _, err := sd.DACL()
	return dacl, err
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
