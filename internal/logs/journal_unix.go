//go:build unix

package logs

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// forJournal returns w, as the journal wants it if that is what reads it:
// JOURNAL_STREAM says which file that is.
func forJournal(w io.Writer) io.Writer {
	f, ok := w.(*os.File)
	if !ok {
		return w
	}
	fi, err := f.Stat()
	if err != nil {
		return w
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino) {
		return journal{w}
	}
	return w
}
