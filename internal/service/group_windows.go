package service

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

var netLocalGroupAdd = windows.NewLazySystemDLL("netapi32.dll").NewProc("NetLocalGroupAdd")

// localGroup is LOCALGROUP_INFO_1 of lmaccess.h.
type localGroup struct{ name, comment *uint16 }

// A group that is there already, as NetLocalGroupAdd says it.
const (
	aliasExists = 1379 // ERROR_ALIAS_EXISTS
	groupExists = 2223 // NERR_GroupExists
)

// addGroup makes a group of this computer, unless there is one.
func addGroup(name, comment string) error {
	n, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return err
	}
	c, err := windows.UTF16PtrFromString(comment)
	if err != nil {
		return err
	}
	g := localGroup{n, c}
	code, _, _ := netLocalGroupAdd.Call(0, 1, uintptr(unsafe.Pointer(&g)), 0)
	if code != 0 && code != aliasExists && code != groupExists {
		return fmt.Errorf("group %s: %w", name, syscall.Errno(code))
	}
	return nil
}
