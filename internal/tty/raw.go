package tty

import "golang.org/x/term"

// Raw puts the terminal that is read from into raw mode, and has the one that is
// written to understand sequences. restore puts both back.
func Raw(in, out uintptr) (restore func(), err error) {
	old, err := term.MakeRaw(int(in))
	if err != nil {
		return nil, err
	}
	plain := understand(out)
	return func() {
		plain()
		_ = term.Restore(int(in), old)
	}, nil
}
