//go:build !linux

package hsmcm

import "errors"

func becomeNobody() error { return errors.ErrUnsupported }
