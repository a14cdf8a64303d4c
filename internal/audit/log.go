package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Events about the log itself.
const (
	// EventRecovered is what Open records after it has set a torn last line aside.
	EventRecovered = "audit-recovered"
	// EventMismatch is for its owner to record when the log is not the one that
	// it knows: records are missing or were replaced. Verify then fails for good.
	EventMismatch = "audit-mismatch"
)

// ErrTouched is what Append returns when somebody else has cut, lengthened,
// moved or replaced the file: nothing is written over that.
var ErrTouched = errors.New("the file was changed, moved or replaced by somebody else")

// started anchors MonoNs: differences of it are on the monotonic clock. A
// record's Time is the wall clock's, for people: nothing is decided by it.
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
	// Whoever remembers a record must not find a loss of power to have taken the
	// file's name. Some file systems cannot sync a folder.
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync()
		dir.Close()
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
	if err := l.untouched(); err != nil {
		return fmt.Errorf("audit log %s: %w", l.path, err)
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

// untouched reports whether the file is as Append left it.
func (l *Log) untouched() error {
	here, err := l.f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(l.path)
	if err != nil || here.Size() != l.size || !os.SameFile(here, there) {
		return ErrTouched
	}
	return nil
}

// Close closes the file. Append fails afterwards; Visit and Verify work.
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
