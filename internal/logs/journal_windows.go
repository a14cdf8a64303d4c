package logs

import "io"

// forJournal returns w: there is no journal here.
func forJournal(w io.Writer) io.Writer { return w }
