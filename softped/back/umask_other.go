//go:build !unix

package back

func narrowUmask() (restore func()) { return func() {} }
