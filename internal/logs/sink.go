package logs

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

// searchAgain is how often a log that is not where it should be looks whether it
// can be there by now.
const searchAgain = 10 * time.Second

// sink is where records go: the wanted file, else the second one, else stderr.
// One goroutine has it; others read state only.
type sink struct {
	want, second string // absolute; empty: none
	stderr       io.Writer
	max          int64
	crash        bool

	file   *file     // nil: stderr
	next   time.Time // of the next look for the wanted file
	lost   int       // records that are missing in place
	why    error     // of the first of them
	opened string    // warning of the last open
	state  atomic.Pointer[state]
}

// state is what others may know of a sink.
type state struct{ place, warning string }

// open opens the best place. A file that can not be opened anew stays in use
// if it is the wanted one.
func (s *sink) open() {
	s.next = time.Now().Add(searchAgain)
	s.opened = ""
	for _, path := range []string{s.want, s.second} {
		if path == "" || s.want == "" {
			break
		}
		f, err := openFile(path, s.max, s.crash)
		if err == nil {
			s.use(f)
			break
		}
		if s.opened == "" {
			s.opened = fmt.Sprintf("can not write log file: %v", err)
		}
		if s.file != nil && s.file.path == path {
			break
		}
	}
	if s.opened != "" {
		s.opened += "; logging to " + s.place()
	}
	s.tell()
}

func (s *sink) use(f *file) {
	if s.file != nil {
		_ = s.file.close()
	}
	s.file = f
}

func (s *sink) place() string {
	if s.file == nil {
		return "stderr"
	}
	return s.file.path
}

// tell publishes the state.
func (s *sink) tell() {
	w := s.opened
	switch {
	case s.lost > 0:
		w = fmt.Sprintf("can not write log file: %v; it lacks %d records", s.why, s.lost)
	case s.file != nil && s.file.astray != nil:
		w = fmt.Sprintf("the log file was moved away, and a new one can not be made: %v", s.file.astray)
	}
	s.state.Store(&state{s.place(), w})
}

// write writes one record. What the file does not take goes to stderr, for whom
// that helps, and is counted.
func (s *sink) write(rec []byte) {
	if s.place() != s.want && s.want != "" && !time.Now().Before(s.next) {
		s.open()
		if s.opened == "" {
			rec = append(note("the log is back", "file", s.want), rec...)
		}
	}
	all := rec
	if s.lost > 0 {
		all = append(note("records are missing here", "lost", s.lost, "err", s.why), rec...)
	}
	if s.file == nil {
		_, _ = s.stderr.Write(all)
		s.lost, s.why = 0, nil
		return
	}
	was := s.file.astray
	err := s.file.write(all)
	if err != nil {
		s.miss(1, err)
		_, _ = s.stderr.Write(rec)
		return
	}
	if s.lost > 0 || (was == nil) != (s.file.astray == nil) {
		s.lost, s.why = 0, nil
		s.tell()
	}
}

// miss counts records that were not written where they belong, and says so once.
func (s *sink) miss(n int, why error) {
	first := s.lost == 0
	s.lost += n
	if first {
		s.why = why
	}
	if first && s.file != nil {
		_, _ = s.stderr.Write(note("can not write log file; logging to stderr until it can be written", "err", why))
	}
	s.tell()
}

// note is a record of the log's own.
func note(msg string, args ...any) []byte {
	var b bytes.Buffer
	slog.New(New(&b, DefaultLevels)).Warn(msg, args...)
	return b.Bytes()
}

func (s *sink) resize(max int64) {
	s.max = max
	if s.file != nil {
		s.file.max = max
	}
}

func (s *sink) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.close()
}
