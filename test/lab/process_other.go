//go:build !linux

package lab

import (
	"errors"
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func terminate(p *os.Process) error { return p.Kill() }

// Freeze stops the process in its tracks, its connections stay open.
func (p *Process) Freeze() error { return errors.ErrUnsupported }

// Thaw undoes Freeze.
func (p *Process) Thaw() error { return errors.ErrUnsupported }
