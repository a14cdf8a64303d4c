package background

import (
	"os/exec"
	"syscall"
)

const detachedProcess = 0x8 // DETACHED_PROCESS

func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: detachedProcess | syscall.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}

// keepOpenFiles has nothing to do: handles are inherited only where that is said.
func keepOpenFiles() {}

// ignoreLostParent has nothing to do: writing to nobody is an error only.
func ignoreLostParent() {}
