package background

import (
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

const detachedProcess = 0x8 // DETACHED_PROCESS

// detach gives the process no console, a group of its own, and where that may be no
// share in its starter's end: a session of SSH, for one, ends all that it has
// started and that has not broken away.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: detachedProcess | syscall.CREATE_NEW_PROCESS_GROUP | breakaway(), HideWindow: true}
}

// breakaway asks the job that this process is in, if it is in one, what it allows.
// To break away where that is not allowed is an error.
func breakaway() uint32 {
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	err := windows.QueryInformationJobObject(0, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)), nil)
	if err != nil || limits.BasicLimitInformation.LimitFlags&windows.JOB_OBJECT_LIMIT_BREAKAWAY_OK == 0 {
		return 0
	}
	return windows.CREATE_BREAKAWAY_FROM_JOB
}

// letGo closes the pipes to the parent and leaves the folder it was started in,
// which nobody could remove otherwise.
func letGo() {
	closeOutput()
	if dir, err := windows.GetSystemDirectory(); err == nil {
		_ = os.Chdir(dir)
	}
}

// keepOpenFiles has nothing to do: handles are inherited only where that is said.
func keepOpenFiles() {}

// ignoreLostParent has nothing to do: writing to nobody is an error only.
func ignoreLostParent() {}
