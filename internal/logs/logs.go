package logs

import (
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
)

// DefaultMaxKB is the size, in KB, at which a log file is moved to NAME.1, in
// place of the one that was moved there before.
const DefaultMaxKB = 8192

// Options say where the log goes: to Path if that is named, else to Default if
// nobody reads Stderr or the file is wanted all the same, else to Stderr. What
// can not be written goes to Default, or else to Stderr.
type Options struct {
	Path       string
	Default    string // the program's own file; may be empty
	Stderr     io.Writer
	Background bool // nobody reads Stderr: no terminal, no journal
	Local      bool // the program's own file, though somebody reads Stderr
	Levels     Levels
	MaxKB      int  // 0: DefaultMaxKB
	Crash      bool // the trace of a crash of this process goes to the file too
}

// Log is an open log.
type Log struct {
	*slog.Logger
	levels *atomic.Pointer[Levels]
	queue  *queue
	sink   *sink // of the queue's goroutine
}

// Open opens the log. It always returns a usable one. A file never grows beyond
// its bound, with one older one beside it.
func Open(o Options) *Log {
	if o.Path == "" && (o.Background || o.Local) {
		o.Path = o.Default
	}
	if o.MaxKB == 0 {
		o.MaxKB = DefaultMaxKB
	}
	s := &sink{want: absolute(o.Path), second: absolute(o.Default), stderr: forJournal(o.Stderr), max: int64(o.MaxKB) << 10, crash: o.Crash}
	if s.stderr == nil {
		s.stderr = io.Discard
	}
	s.open()
	l := &Log{queue: newQueue(s), sink: s}
	h, levels := newHandler(l.queue, o.Levels)
	l.Logger, l.levels = slog.New(h), levels
	if w := l.Warning(); w != "" {
		l.Warn(w)
		if s.file != nil && !o.Background {
			_, _ = s.stderr.Write(note(w))
		}
	}
	return l
}

// absolute makes a path independent of the current folder, which a daemon leaves.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Place returns the file in use now, or "stderr".
func (l *Log) Place() string { return l.sink.state.Load().place }

// Warning says why the log is not in the file that was wanted, or not whole;
// empty if all is well.
func (l *Log) Warning() string { return l.sink.state.Load().warning }

// SetLevels changes the switches of this log and of all loggers made from it.
func (l *Log) SetLevels(v Levels) { l.levels.Store(&v) }

// SetMaxKB changes the bound of the file; 0 is DefaultMaxKB.
func (l *Log) SetMaxKB(kb int) {
	if kb == 0 {
		kb = DefaultMaxKB
	}
	l.queue.do(func() { l.sink.resize(int64(kb) << 10) })
}

// SetPath makes another file the wanted one. An empty path is the program's own
// file if the log is in a file, else nothing changes.
func (l *Log) SetPath(path string) {
	l.queue.do(func() {
		if path == "" && l.sink.want != "" {
			path = l.sink.second
		}
		if path != "" {
			l.sink.want = absolute(path)
			l.sink.open()
		}
	})
}

// Reopen opens the file anew, which may have been moved away, and looks for the
// wanted one again.
func (l *Log) Reopen() { l.queue.do(l.sink.open) }

// Close closes the file. What is logged from then on is gone.
func (l *Log) Close() error { return l.queue.close() }
