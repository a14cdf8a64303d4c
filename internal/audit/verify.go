package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Head names a record: what a copy of it is compared by. The zero value names
// none.
type Head struct {
	Seq  uint64
	Hash string // 128 lower-case hex digits
}

// String returns "12:3f9c…", the whole hash.
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Seq, h.Hash) }

// Head returns the newest record, zero if there is none yet: what to keep a
// copy of elsewhere.
func (l *Log) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head()
}

func (l *Log) head() Head {
	if l.seq == 0 {
		return Head{}
	}
	return Head{l.seq, l.prev}
}

// ChainError says where a chain breaks.
type ChainError struct {
	Line  int // 1-based
	Fault string
}

// Error implements error.
func (e *ChainError) Error() string { return fmt.Sprintf("audit log, line %d: %s", e.Line, e.Fault) }

// Visit calls f with all records, the oldest first, until f returns an error,
// which it returns. It checks each record's hash, number and link before f sees
// it, and at the end that the newest record is there: a fault is a *ChainError.
func (l *Log) Visit(f func(Record) error) error {
	_, err := l.each(f)
	return err
}

// Verify checks the whole log and returns its newest record. With a known
// record (zero: none) it checks also that this is in the log. The error is a
// *ChainError, ctx's, or one of reading the file. A log that has a record of
// EventMismatch does not verify.
func (l *Log) Verify(ctx context.Context, known Head) (Head, error) {
	var lost error
	find := finder(known)
	last, err := l.each(func(r Record) error {
		if r.Event == EventMismatch && lost == nil {
			lost = &ChainError{int(r.Seq), "the log was tampered with before this record: " + r.Result}
		}
		if err := find(r); err != nil {
			return err
		}
		return ctx.Err()
	})
	switch {
	case err != nil:
		return last, err
	case lost != nil:
		return last, lost
	case known.Seq > last.Seq:
		return last, missing(last.Seq, known.Seq)
	}
	return last, nil
}

// Check looks for a known record (zero: none), and for nothing behind it: the
// error is a *ChainError, or one of reading the file. It reads no more than it
// needs to.
func (l *Log) Check(known Head) error {
	head := l.Head()
	switch {
	case known == Head{} || head == known:
		return nil
	case known.Seq > head.Seq:
		return missing(head.Seq, known.Seq)
	}
	find := finder(known)
	_, err := l.each(func(r Record) error {
		if err := find(r); err != nil || r.Seq < known.Seq {
			return err
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		return nil
	}
	return err
}

var errFound = errors.New("found")

// finder returns a visitor that refuses another record under a known number.
func finder(known Head) func(Record) error {
	return func(r Record) error {
		if r.Seq == known.Seq && r.Hash != known.Hash {
			return &ChainError{int(r.Seq), "not the record known by this number: the log was written anew, or is another's"}
		}
		return nil
	}
}

func missing(have, want uint64) error {
	return &ChainError{int(have) + 1, fmt.Sprintf("the newest records are missing, %d to %d at least", have+1, want)}
}

// each reads a second handle up to what Append has finished, so that a long
// verification holds nobody up, and compares the end with what Append knows.
func (l *Log) each(visit func(Record) error) (last Head, err error) {
	l.mu.Lock()
	size, head := l.size, l.head()
	l.mu.Unlock()
	f, err := os.Open(l.path)
	if errors.Is(err, os.ErrNotExist) {
		if head.Seq > 0 {
			return last, missing(0, head.Seq)
		}
		return last, &ChainError{1, "the file is gone"}
	}
	if err != nil {
		return last, fmt.Errorf("audit log: %w", err)
	}
	defer f.Close()
	last, err = walk(io.LimitReader(f, size), visit)
	switch {
	case err != nil:
		return last, err
	case last.Seq < head.Seq:
		return last, missing(last.Seq, head.Seq)
	case last != head:
		return last, &ChainError{int(last.Seq), "not the last record that was written here: the log was written anew"}
	}
	return last, nil
}

// walk reads lines, checks them and the chain, and stops at the first fault. It
// returns the last good record.
func walk(in io.Reader, visit func(Record) error) (last Head, err error) {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 4096), MaxRecord)
	prev := genesis
	for s.Scan() {
		r, err := decode(s.Bytes())
		line := int(last.Seq) + 1
		switch {
		case err != nil:
			return last, &ChainError{line, err.Error()}
		case r.Seq != last.Seq+1:
			return last, &ChainError{line, fmt.Sprintf("number %d where %d belongs: records are missing, repeated or moved", r.Seq, line)}
		case r.Prev != prev:
			return last, &ChainError{line, "does not link to the record before it"}
		}
		if err := visit(r); err != nil {
			return last, err
		}
		prev, last = r.Hash, Head{r.Seq, r.Hash}
	}
	if s.Err() != nil {
		return last, &ChainError{int(last.Seq) + 1, ErrMalformed.Error()}
	}
	return last, nil
}
