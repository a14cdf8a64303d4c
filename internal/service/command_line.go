package service

import "strings"

// programOf returns the name of the program in a command line of Windows' service
// manager. Some installers leave out the quotation marks around a path with spaces.
func programOf(command string) string {
	path, quoted := strings.CutPrefix(strings.ToLower(command), `"`)
	const exe = ".exe"
	switch i := strings.Index(path+" ", exe+" "); {
	case quoted:
		path, _, _ = strings.Cut(path, `"`)
	case i >= 0:
		path = path[:i]
	default:
		path, _, _ = strings.Cut(path, " ")
	}
	return strings.TrimSuffix(path[strings.LastIndexAny(path, `\/`)+1:], exe)
}
