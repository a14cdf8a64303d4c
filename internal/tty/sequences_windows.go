package tty

import "golang.org/x/sys/windows"

// understand asks a console for what others do by themselves. One that can not is
// left as it is.
func understand(out uintptr) (plain func()) {
	h := windows.Handle(out)
	var mode uint32
	if windows.GetConsoleMode(h, &mode) != nil ||
		windows.SetConsoleMode(h, mode|windows.ENABLE_PROCESSED_OUTPUT|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) != nil {
		return func() {}
	}
	return func() { _ = windows.SetConsoleMode(h, mode) }
}
