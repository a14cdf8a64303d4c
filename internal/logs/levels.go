package logs

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
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

// New returns a handler that writes one line per record and obeys the switches.
func New(w io.Writer, levels Levels) slog.Handler {
	h, _ := newHandler(w, levels)
	return h
}

// newHandler is New, with what changes the switches of the handler and of all
// that were made from it.
func newHandler(w io.Writer, levels Levels) (slog.Handler, *atomic.Pointer[Levels]) {
	p := new(atomic.Pointer[Levels])
	p.Store(&levels)
	return &handler{levels: p, Handler: slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: LevelTrace,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.LevelKey {
				if v, ok := a.Value.Any().(slog.Level); ok && v < slog.LevelInfo {
					return slog.String(slog.LevelKey, "TRACE")
				}
			}
			return a
		},
	})}, p
}

type handler struct {
	slog.Handler
	levels *atomic.Pointer[Levels]
}

func (h *handler) Enabled(_ context.Context, v slog.Level) bool { return h.levels.Load().enabled(v) }

func (h *handler) WithAttrs(a []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(a), h.levels}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.levels}
}
