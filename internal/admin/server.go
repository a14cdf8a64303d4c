package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"openped/internal/peercred"
)

// Handler answers one endpoint with something that encodes as JSON.
type Handler func(ctx context.Context) (any, error)

// Hinter is an error with a remedy of one line.
type Hinter interface{ Hint() string }

// Server serves the endpoints of one daemon.
type Server struct {
	http *http.Server
	log  *slog.Logger
}

// NewServer returns a server with endpoints by "METHOD /path".
func NewServer(log *slog.Logger, endpoints map[string]Handler) *Server {
	mux := http.NewServeMux()
	for pattern, h := range endpoints {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { answer(w, r, h) })
	}
	return &Server{log: log, http: &http.Server{
		Handler:           http.MaxBytesHandler(mux, maxBody),
		ReadTimeout:       5 * time.Second,
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
}

const maxBody = 64 << 10 // of a request or an answer, in bytes

// Serve answers the daemon's own user and root on l until Shutdown.
func (s *Server) Serve(l *net.UnixListener) error {
	err := s.http.Serve(peercred.Filter{
		UnixListener: l,
		Allow:        peercred.Peer.Owner,
		Refuse: func(p peercred.Peer, err error) {
			s.log.Warn("refused local administration", "uid", p.UID, "pid", p.PID, "err", err)
		},
	})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown closes the socket, which removes it, and lets running answers end
// until ctx does.
func (s *Server) Shutdown(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}

type failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

func answer(w http.ResponseWriter, r *http.Request, h Handler) {
	v, err := h(r.Context())
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		f := failure{Error: err.Error()}
		var hint Hinter
		if errors.As(err, &hint) {
			f.Hint = hint.Hint()
		}
		w.WriteHeader(http.StatusInternalServerError)
		_ = json.NewEncoder(w).Encode(f)
		return
	}
	_ = json.NewEncoder(w).Encode(v)
}
