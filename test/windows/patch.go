package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"openped/test/windows/prefix"
)

// Where the standard library removes what is in a folder. Wine answers a request
// for the semantics of POSIX with "not implemented", which the library does not
// take for "not here", so that testing could not remove a test's folder.
const (
	removeFile  = "src/internal/syscall/windows/at_windows.go"
	removePlace = "\tcase STATUS_INVALID_INFO_CLASS, "
	removeAlso  = "\tcase NTStatus(0xC0000002), STATUS_INVALID_INFO_CLASS, "
)

// overlay writes into dir what go test -overlay needs for a library that removes
// folders in Wine too, and returns its file. Nothing that is shipped is built with
// it.
func overlay(ctx context.Context, dir string) (string, error) {
	out, err := prefix.Output(ctx, nil, goTool(), "env", "GOROOT")
	if err != nil {
		return "", err
	}
	path := filepath.Join(strings.TrimSpace(out), filepath.FromSlash(removeFile))
	source, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if strings.Count(string(source), removePlace) != 1 {
		return "", fmt.Errorf("%s is not as expected: no %q; adapt test/windows/patch.go to this Go", path, removePlace)
	}
	changed := filepath.Join(dir, "at_windows.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), removePlace, removeAlso, 1)), 0o600); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, b, 0o600)
}
