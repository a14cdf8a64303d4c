package service

import (
	"errors"
	"slices"
	"strings"

	"openped/internal/rundir"
)

// Kind is a program that can be a service.
type Kind struct {
	Program     string   // its name, its user's, its group's, and its first service's
	Description string   // one line, without a full stop
	Manual      string   // its manual page: "pedserver(8)"
	Groups      []string // further groups of its user; made where they are missing
	USB         bool     // it opens USB devices
	Network     bool     // it is of no use before the network is up
	Shared      bool     // others than its group may enter its run folder
	Reload      bool     // it has -mode reload
	Environment string   // a file of variables; may be missing on the host, and empty here
	// RunFlags have the program run as the service that -instance names;
	// WindowsFlags do it there.
	RunFlags, WindowsFlags []string
}

// Spec is one service.
type Spec struct {
	Kind
	Name string   // checked by rundir.CheckServiceName
	Path string   // of the program, absolute
	Args []string // after the flags that make it a service
	// Controller is the USB device controller at which a PED in software is a
	// device: such a service needs rights that others do without. Empty: none.
	Controller string
}

// Check returns an error for what can not be written into a definition.
func (s Spec) Check() error {
	if err := rundir.CheckServiceName(s.Name); err != nil {
		return err
	}
	for _, word := range append([]string{s.Path}, s.Args...) {
		if word == "" || strings.ContainsAny(word, "\n\r\x00\"'\\%$;{}") && !windowsPath(word) || strings.ContainsAny(word, " \t") && !onWindows {
			return errors.New("a path or a flag has characters that a service can not have; use letters, digits and / . _ - : = ,")
		}
	}
	return nil
}

// windowsPath lets backslashes through where they are the way to write a path.
func windowsPath(word string) bool {
	return onWindows && !strings.ContainsAny(word, "\n\r\x00\"{}")
}

// arguments are what the program is started with.
func (s Spec) arguments(flags []string) []string {
	return slices.Concat(flags, []string{"-instance", s.Name}, s.Args)
}

// Definition is the name that the service manager has for it.
func (s Spec) Definition() string { return s.Name + ".service" }

// Label is launchd's name of a service.
func Label(name string) string { return "org.openped." + name }
