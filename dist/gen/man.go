package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

type page struct {
	name    string
	section int
	file    string
}

var manual = map[string]page{
	"pedserver": {"pedserver", 8, "pedserver.md"}, "pedclient": {"pedclient", 8, "pedclient.md"},
	"softped": {"softped", 8, "softped.md"}, "hsmcm": {"hsmcm", 1, "hsmcm.md"},
}

func codesPage(pkg string) page { return page{"openped-return-codes", 7, "return-codes.md"} }

func manCommand(args []string) (string, error) { return "", errUsage }

func manMarkdown(root string, m page, version string, at time.Time) (string, error) {
	b, err := os.ReadFile(filepath.Join(root, "docs", "cli", m.file))
	return fmt.Sprintf("%% %s %d\n\n", m.name, m.section) + string(b), err
}
