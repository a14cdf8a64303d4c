package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"openped/internal/localsock"
	"openped/internal/strangers"
)

// Server serves the endpoints of one daemon.
type Server struct {
	http  *http.Server
	quiet *strangers.Quiet
	long  chan struct{} // a place for each call that may take long
	few   chan struct{} // of those, a place for each of a member of the group
	stop  context.CancelFunc
}

// NewServer returns a server with endpoints by "METHOD /path". Calls that are
// under way are cancelled when ctx ends.
func NewServer(ctx context.Context, log *slog.Logger, endpoints map[string]Handler) *Server {
	s := &Server{quiet: strangers.NewQuiet(log), long: make(chan struct{}, maxLong), few: make(chan struct{}, membersLong)}
	mux := http.NewServeMux()
	for pattern, h := range endpoints {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, h) })
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.http = &http.Server{
		Handler: http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if g := callerOf(r.Context()).guest; g != nil {
				g.Heard()
			}
			mux.ServeHTTP(w, r)
		}), maxBody),
		ReadTimeout:       requestTime,
		ReadHeaderTimeout: requestTime,
		WriteTimeout:      requestTime + writeTime,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(quietly{s.quiet}, slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withCaller,
	}
	s.http.SetKeepAlivesEnabled(false)
	go s.quiet.Run(ctx)
	return s
}

// quietly logs what callers provoke in the HTTP server.
type quietly struct{ q *strangers.Quiet }

func (h quietly) Enabled(context.Context, slog.Level) bool { return true }
func (h quietly) Handle(_ context.Context, r slog.Record) error {
	h.q.Say(r.Level, netip.Addr{}, "administration", "err", r.Message)
	return nil
}
func (h quietly) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h quietly) WithGroup(string) slog.Handler      { return h }

// Serve answers whom l allows, until Shutdown.
func (s *Server) Serve(l *localsock.Listener) error {
	d := s.newDoor(l, localPlaces, localPlaces)
	go d.run(d.local(l.Access))
	return s.open(d)
}

// ServeRemote answers administrators whom secure lets in, on l until Shutdown.
func (s *Server) ServeRemote(l net.Listener, secure Secure) error {
	d := s.newDoor(l, remotePlaces, perAddress)
	go d.run(d.remote(secure))
	return s.open(d)
}

func (s *Server) open(d *door) error {
	if err := s.http.Serve(d); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown closes the listeners, which removes the socket, cancels what is
// under way and lets answers end until ctx does.
func (s *Server) Shutdown(ctx context.Context) {
	s.stop()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}

// shutdownTime is for the answers that are under way at the end.
const shutdownTime = time.Second
