package hsmtest

import (
	"errors"
	"fmt"

	"openped/hsm"
)

// describe shows an error with its code and its cause, for a failing test.
func describe(err error) string {
	var e *hsm.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("%v: %v (cause: %v)", e.Code, e.Msg, e.Err)
	}
	return fmt.Sprint(err)
}

// Describe is what to print of an error in a failing test.
func Describe(err error) string { return describe(err) }
