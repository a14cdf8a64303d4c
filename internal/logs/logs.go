package logs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// LevelTrace is below slog.LevelDebug and switched by -logtrace.
const LevelTrace = slog.Level(-8)

// Levels are the four switches. Each is on its own: errors without warnings
// are possible.
type Levels struct {
	Info, Warning, Error, Trace bool
}

// DefaultLevels is everything but trace.
var DefaultLevels = Levels{Info: true, Warning: true, Error: true}

func (l Levels) enabled(v slog.Level) bool {
	switch {
	case v >= slog.LevelError:
		return l.Error
	case v >= slog.LevelWarn:
		return l.Warning
	case v >= slog.LevelInfo:
		return l.Info
	}
	return l.Trace
}

// Options say where the log goes.
type Options struct {
	Path   string    // wanted file
	Second string    // tried when Path can not be written; may be empty
	Stderr io.Writer // used when no file can be written
	Levels Levels
	Crash  bool // the trace of a crash of this process goes to the file too

	max int64 // for tests; 0: MaxSize
}

// Log is an open log.
type Log struct {
	*slog.Logger
	Path    string // the file in use, or "stderr"
	Warning string // why it is not the wanted file; empty if it is
	file    *file
}

// Open opens the log. It always returns a usable one. A file never grows beyond
// MaxSize, with one older one beside it.
func Open(o Options) *Log {
	l := &Log{Path: "stderr"}
	if o.max == 0 {
		o.max = MaxSize
	}
	var w io.Writer
	for i, path := range []string{o.Path, o.Second} {
		if path == "" || i > 0 && path == o.Path {
			continue
		}
		f, err := openFile(path, o.max, o.Crash)
		if err == nil {
			l.file, l.Path, w = f, f.path, f
			break
		}
		if l.Warning == "" {
			l.Warning = fmt.Sprintf("can not write log file: %v", err)
		}
	}
	if w == nil {
		w = o.Stderr
	}
	if l.Warning != "" {
		l.Warning += "; logging to " + l.Path
	}
	l.Logger = slog.New(New(w, o.Levels))
	if l.Warning != "" {
		l.Warn(l.Warning)
	}
	return l
}

// Close closes the file.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// New returns a handler that writes one line per record and obeys the switches.
func New(w io.Writer, levels Levels) slog.Handler {
	return &handler{levels: levels, Handler: slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: LevelTrace,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.LevelKey {
				if v, ok := a.Value.Any().(slog.Level); ok && v < slog.LevelInfo {
					return slog.String(slog.LevelKey, "TRACE")
				}
			}
			return a
		},
	})}
}

type handler struct {
	slog.Handler
	levels Levels
}

func (h *handler) Enabled(_ context.Context, v slog.Level) bool { return h.levels.enabled(v) }

func (h *handler) WithAttrs(a []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(a), h.levels}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.levels}
}
