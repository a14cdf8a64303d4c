package service

import "strings"

const exe = ".exe"

// quoted is a command line with the quotation marks that it lacks. Without them
// Windows would try C:\Program.exe before C:\Program Files\x.exe.
func quoted(command string) string {
	end := strings.Index(strings.ToLower(command)+" ", exe+" ") + len(exe)
	if strings.HasPrefix(command, `"`) || end < len(exe) || !strings.Contains(command[:end], " ") {
		return command
	}
	return `"` + command[:end] + `"` + command[end:]
}

// programOf returns the name of the program in a command line of Windows' service
// manager. Some installers leave out the quotation marks around a path with spaces.
func programOf(command string) string {
	path, marked := strings.CutPrefix(strings.ToLower(command), `"`)
	switch i := strings.Index(path+" ", exe+" "); {
	case marked:
		path, _, _ = strings.Cut(path, `"`)
	case i >= 0:
		path = path[:i]
	default:
		path, _, _ = strings.Cut(path, " ")
	}
	return strings.TrimSuffix(path[strings.LastIndexAny(path, `\/`)+1:], exe)
}
