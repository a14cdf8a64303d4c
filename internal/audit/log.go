package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// EventRecovered is what Open records after it has set a torn last line aside.
const EventRecovered = "audit-recovered"

// started anchors MonoNs: differences of it are on the monotonic clock.
var started = time.Now()

// Log is an open audit log. It may be used from several goroutines; only one
// process may have it open (the HSM's state lock sees to that).
type Log struct {
	path string
	now  func() time.Time

	mu   sync.Mutex
	f    *os.File
	size int64 // bytes of whole records
	seq  uint64
	prev string
	bad  error // a failed write that could not be taken back
}

// Open opens or creates (0600) the log at path. A last line that a crash tore
// is moved to path+".torn" and a record of EventRecovered says so: the log goes
// on. Only the end is read; Verify reads everything.
func Open(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	l := &Log{path: path, now: time.Now, f: f, prev: genesis}
	if err := l.recover(); err != nil {
		f.Close()
		return nil, fmt.Errorf("audit log %s: %w", path, err)
	}
	return l, nil
}

// recover finds the last whole record and sets aside what follows it.
func (l *Log) recover() error {
	st, err := l.f.Stat()
	if err != nil {
		return err
	}
	// The tail holds at least the last whole line and a torn one.
	from := max(0, st.Size()-2*MaxRecord)
	tail := make([]byte, st.Size()-from)
	if _, err := l.f.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	keep := bytes.LastIndexByte(tail, '\n') + 1
	last, err := lastLine(tail[:keep])
	if err != nil && keep > 0 {
		// A line that ends and still is none: a crash may leave zeros or half a
		// block in place of the last one, no more than that.
		keep = bytes.LastIndexByte(tail[:keep-1], '\n') + 1
		if keep > 0 {
			if last, err = lastLine(tail[:keep]); err != nil {
				return fmt.Errorf("the end is damaged: move the file aside to begin a new one: %w", err)
			}
		} else if from > 0 {
			return fmt.Errorf("the end is damaged: move the file aside to begin a new one: %w", err)
		}
	}
	l.size = from + int64(keep)
	if keep > 0 {
		l.seq, l.prev = last.Seq, last.Hash
	}
	torn := tail[keep:]
	if len(torn) == 0 {
		return nil
	}
	if err := setAside(l.path+".torn", torn); err != nil {
		return err
	}
	if err := l.f.Truncate(l.size); err != nil {
		return err
	}
	return l.Append(Record{Event: EventRecovered, Result: fmt.Sprintf("%d bytes of a torn last record set aside", len(torn))})
}

func lastLine(whole []byte) (Record, error) {
	if len(whole) == 0 {
		return Record{}, nil
	}
	whole = whole[:len(whole)-1]
	return decode(whole[bytes.LastIndexByte(whole, '\n')+1:])
}

func setAside(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// Append completes r, writes it and returns when it is on disk. It waits for
// the disk and for other appends, never for a person. After an error the record
// is not in the log.
func (l *Log) Append(r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bad != nil {
		return l.bad
	}
	if l.f == nil {
		return os.ErrClosed
	}
	now := l.now()
	if r.Time.IsZero() {
		r.Time = now
	}
	r.Time = r.Time.UTC().Round(0)
	r.MonoNs = int64(now.Sub(started))
	r.Seq, r.Prev = l.seq+1, l.prev
	line, err := encode(&r)
	if err != nil {
		return err
	}
	_, err = l.f.WriteAt(line, l.size)
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		err = fmt.Errorf("audit log: %w", err)
		if undo := l.f.Truncate(l.size); undo != nil {
			l.bad = errors.Join(err, undo)
		}
		return err
	}
	l.size += int64(len(line))
	l.seq, l.prev = r.Seq, r.Hash
	return nil
}

// Records returns all records, the oldest first, up to the first that cannot be
// read: then with an error that says where.
func (l *Log) Records() ([]Record, error) {
	var all []Record
	_, err := l.each(func(r Record) { all = append(all, r) })
	return all, err
}

// Verify checks every record's hash, number and link and returns how many are
// good before the first fault. The error is a *ChainError.
func (l *Log) Verify() (n int, err error) { return l.each(func(Record) {}) }

// Head returns the number and hash of the newest record: what to keep a copy of
// elsewhere.
func (l *Log) Head() (seq uint64, hash string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq, l.prev
}

// Close closes the file. Append fails afterwards; Records and Verify work.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	return f.Close()
}

// ChainError says where a chain breaks.
type ChainError struct {
	Line  int // 1-based
	Fault string
}

// Error implements error.
func (e *ChainError) Error() string { return fmt.Sprintf("audit log, line %d: %s", e.Line, e.Fault) }

// each reads a second handle up to what Append has finished, so that a long
// verification holds nobody up.
func (l *Log) each(visit func(Record)) (n int, err error) {
	l.mu.Lock()
	size := l.size
	l.mu.Unlock()
	f, err := os.Open(l.path)
	if err != nil {
		return 0, fmt.Errorf("audit log: %w", err)
	}
	defer f.Close()
	return walk(io.LimitReader(f, size), visit)
}

// walk reads lines, checks them and the chain, and stops at the first fault.
func walk(in io.Reader, visit func(Record)) (n int, err error) {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 4096), MaxRecord)
	prev := genesis
	for s.Scan() {
		r, err := decode(s.Bytes())
		switch {
		case err != nil:
			return n, &ChainError{n + 1, err.Error()}
		case r.Seq != uint64(n)+1:
			return n, &ChainError{n + 1, fmt.Sprintf("number %d where %d belongs: records are missing, repeated or moved", r.Seq, n+1)}
		case r.Prev != prev:
			return n, &ChainError{n + 1, "does not link to the record before it"}
		}
		visit(r)
		prev = r.Hash
		n++
	}
	if s.Err() != nil {
		return n, &ChainError{n + 1, ErrMalformed.Error()}
	}
	return n, nil
}
