package daemon

import "golang.org/x/sys/windows"

// privileged reports whether this user may manage services.
func privileged() bool { return windows.GetCurrentProcessToken().IsElevated() }
