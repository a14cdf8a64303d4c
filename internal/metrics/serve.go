package metrics

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"openped/internal/strangers"
)

const (
	places      = 16
	perAddress  = 16 // they are all this host's
	requestTime = 3 * time.Second
	answerTime  = scrapeTime + 2*time.Second
	endTime     = time.Second
)

// Serve answers GET /metrics on l, which is for this host's programs only, until
// ctx ends; then it closes l. Who is silent while others wait gives way.
func (m *Metrics) Serve(ctx context.Context, l net.Listener, log *slog.Logger) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", local(m.handler))
	quiet := strangers.NewQuiet(log)
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if g, ok := r.Context().Value(guestKey{}).(*strangers.Guest); ok {
				g.Heard()
			}
			mux.ServeHTTP(w, r)
		}),
		ReadTimeout:       requestTime,
		ReadHeaderTimeout: requestTime,
		WriteTimeout:      answerTime,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn), // what strangers send is no news
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if c, ok := c.(*conn); ok {
				return context.WithValue(ctx, guestKey{}, c.guest)
			}
			return ctx
		},
	}
	s.SetKeepAlivesEnabled(false)
	go quiet.Run(ctx)
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.Background(), endTime)
		defer cancel()
		if s.Shutdown(end) != nil {
			_ = s.Close()
		}
	})
	defer stop()
	err := s.Serve(&door{l, strangers.NewLimits(places, perAddress), quiet})
	if errors.Is(err, http.ErrServerClosed) || ctx.Err() != nil {
		return nil
	}
	return err
}

type guestKey struct{}

// door counts those who come in.
type door struct {
	net.Listener
	limits *strangers.Limits
	quiet  *strangers.Quiet
}

type conn struct {
	net.Conn
	guest *strangers.Guest
}

func (c *conn) Close() error {
	c.guest.Leave()
	return c.Conn.Close()
}

func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := strangers.AddrOf(c.RemoteAddr())
		if g, ok := d.limits.Admit(from, c); ok {
			return &conn{c, g}, nil
		}
		strangers.Abort(c)
		d.quiet.Say(slog.LevelWarn, from, "too many ask for metrics at a time", "from", from)
	}
}

// local refuses requests under another name than this host's: a web page that
// has its own name point here is no program of this host.
func local(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		a, err := netip.ParseAddr(host)
		if !strings.EqualFold(host, "localhost") && (err != nil || !a.IsLoopback()) {
			http.Error(w, "ask for localhost", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
