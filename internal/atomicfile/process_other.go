//go:build unix && !linux && !darwin

package atomicfile

import "errors"

func process(int) (start string, uid int, err error) { return "", 0, errors.ErrUnsupported }
