package localsock

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// The forms in which people name a socket.
const (
	unixName = "unix:"
	pipeName = "pipe:"
)

// ParseName returns the path of "unix:PATH" or, on Windows, "pipe:NAME".
func ParseName(s string) (path string, err error) {
	if path, ok := strings.CutPrefix(s, unixName); ok && path != "" {
		return path, nil
	}
	name, ok := strings.CutPrefix(s, pipeName)
	switch {
	case ok && !pipes:
		return "", errors.New("pipe:NAME is for Windows; write unix: and a path")
	case ok:
		return Pipe(name)
	case pipes:
		return "", errors.New("must be pipe: and a name, or unix: and a path")
	}
	return "", errors.New("must be unix: and a path")
}

// Named reports whether s looks like the name of a socket.
func Named(s string) bool { return strings.HasPrefix(s, unixName) || strings.HasPrefix(s, pipeName) }

// Name is how people name the socket at path.
func Name(path string) string {
	if IsPipe(path) {
		return pipeName + path[len(pipePrefix):]
	}
	return unixName + path
}

// AbsName makes a relative path in the name of a socket begin at folder.
func AbsName(s, folder string) string {
	path, ok := strings.CutPrefix(s, unixName)
	if ok && path != "" && !filepath.IsAbs(path) && !os.IsPathSeparator(path[0]) {
		return unixName + filepath.Join(folder, path)
	}
	return s
}

const pipePrefix = `\\.\pipe\`

// IsPipe reports whether path is that of a named pipe.
func IsPipe(path string) bool {
	return len(path) > len(pipePrefix) && strings.EqualFold(path[:len(pipePrefix)], pipePrefix)
}

// Pipe returns the path of the named pipe called name.
func Pipe(name string) (string, error) {
	if name == "" || len(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == '\\' || r == '/' || r == ':' }) {
		return "", errors.New("is not the name of a pipe: 1 to 200 characters without slashes and colons")
	}
	return pipePrefix + name, nil
}
