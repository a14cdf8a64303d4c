package logs

import (
	"bytes"
	"errors"
	"sync/atomic"
	"time"
)

const (
	queued    = 1024                   // records that wait for a slow disk or reader
	maxRecord = 16 << 10               // bytes; a longer record is cut
	patience  = 100 * time.Millisecond // a caller waits for his record to be written
	doTime    = 2 * time.Second        // a caller waits for the file to be opened or closed
)

var (
	errClosed = errors.New("log is closed")
	errStuck  = errors.New("writing took too long")
)

// queue lets one goroutine write. A caller waits until his record is written,
// so that it is there when he goes on, but not for long: a disk, a terminal or
// a journal that hangs costs one caller a moment and the others nothing.
type queue struct {
	sink    *sink
	jobs    chan job
	stuck   atomic.Bool  // nobody waits until the queue is empty
	dropped atomic.Int64 // records that found the queue full
	closed  atomic.Bool
	end     chan struct{}
}

// job is a record to write or something to do, and is done when ok is closed.
type job struct {
	rec []byte
	do  func()
	ok  chan struct{}
}

func newQueue(s *sink) *queue {
	q := &queue{sink: s, jobs: make(chan job, queued), end: make(chan struct{})}
	go q.run()
	return q
}

func (q *queue) run() {
	defer close(q.end)
	for !q.closed.Load() {
		j := <-q.jobs
		if n := q.dropped.Swap(0); n > 0 {
			q.sink.miss(int(n), errStuck)
		}
		if j.do != nil {
			j.do()
		} else {
			q.sink.write(j.rec)
		}
		close(j.ok)
		if len(q.jobs) == 0 {
			q.stuck.Store(false)
		}
	}
}

// Write takes one record.
func (q *queue) Write(p []byte) (int, error) {
	if q.closed.Load() {
		return 0, errClosed
	}
	n := len(p)
	if n > maxRecord {
		p = append(bytes.Clone(p[:maxRecord-1]), '\n')
	} else {
		p = bytes.Clone(p)
	}
	j := job{rec: p, ok: make(chan struct{})}
	select {
	case q.jobs <- j:
	default:
		q.dropped.Add(1)
		return n, nil
	}
	if !q.stuck.Load() && !q.wait(j, patience) {
		q.stuck.Store(true)
	}
	return n, nil
}

// do has something done between two records, if that can be within doTime.
func (q *queue) do(f func()) {
	end := time.NewTimer(doTime)
	defer end.Stop()
	j := job{do: f, ok: make(chan struct{})}
	select {
	case q.jobs <- j:
		q.wait(j, doTime)
	case <-q.end:
	case <-end.C:
	}
}

// close writes what is queued and closes the file.
func (q *queue) close() error {
	err := make(chan error, 1)
	q.do(func() {
		q.closed.Store(true)
		err <- q.sink.close()
	})
	select {
	case err := <-err:
		return err
	case <-q.end: // somebody else has closed it
		return nil
	default:
		return errStuck
	}
}

// wait reports whether a job was done within d.
func (q *queue) wait(j job, d time.Duration) bool {
	end := time.NewTimer(d)
	defer end.Stop()
	select {
	case <-j.ok:
		return true
	case <-q.end:
		return true
	case <-end.C:
		return false
	}
}
