package lab

import (
	"errors"
	"os/exec"
)

const users = false

func become(c *exec.Cmd) { c.Err = errors.ErrUnsupported }

func chown(string) error { return errors.ErrUnsupported }
