package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"openped/internal/cmdline"
)

// Handler answers one endpoint.
type Handler struct {
	Timeout time.Duration // of Do; 0: 5 s
	Remote  bool          // for administrators on the network too
	Group   bool          // for members of the group too
	// Do returns something that encodes as JSON. Its ctx ends at the time-out,
	// when the caller goes, and when the daemon stops.
	Do   func(ctx context.Context, body Body) (any, error)
	HTTP http.Handler // instead of Do: an answer that is not JSON
}

// Get is a Handler that needs no body.
func Get(do func(context.Context) (any, error)) Handler {
	return Handler{Do: func(ctx context.Context, _ Body) (any, error) { return do(ctx) }}
}

// Body is the JSON that came with a request; empty if there was none.
type Body []byte

// Decode reads all of the body into v, which must know every field of it.
func (b Body) Decode(v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return BadRequest(fmt.Errorf("unreadable request: %w", err))
	}
	if _, err := d.Token(); err != io.EOF {
		return BadRequest(errors.New("unreadable request: more than one value"))
	}
	return nil
}

// BadRequest marks an error as the caller's fault.
func BadRequest(err error) error { return &cmdline.ExitError{Code: cmdline.ExitUsage, Err: err} }

// Hinter is an error with a remedy of one line.
type Hinter interface{ Hint() string }

const (
	maxBody     = 64 << 10 // of a request, in bytes
	maxAnswer   = 4 << 20  // in bytes
	answerTime  = 5 * time.Second
	writeTime   = 5 * time.Second // beyond what the endpoint may take
	requestTime = 5 * time.Second
	maxLong     = 16 // calls at a time of endpoints that take longer than answerTime
	membersLong = 8  // of those, of members of the group
)

// serve answers one request: the body within requestTime, the rest within what
// the endpoint may take.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, h Handler) {
	c := callerOf(r.Context())
	switch {
	case c.remote && !h.Remote:
		fail(w, http.StatusForbidden, errors.New("not for administrators on the network"))
		return
	case c.member && !h.Group:
		fail(w, http.StatusForbidden, errMember)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		fail(w, http.StatusBadRequest, errors.New("the request is too long or did not come in time"))
		return
	}
	limit := h.Timeout
	if limit == 0 {
		limit = answerTime
	}
	if limit > answerTime {
		places := []chan struct{}{s.long}
		if c.member { // some are left to the owner
			places = append(places, s.few)
		}
		for _, p := range places {
			select {
			case p <- struct{}{}:
				defer func() { <-p }()
			default:
				fail(w, http.StatusServiceUnavailable, &cmdline.ExitError{Err: fmt.Errorf("%d such calls are under way", cap(p)), Hint: "wait for one of them to end"})
				return
			}
		}
	}
	// The read goes on: its end is how the server sees that the caller has gone.
	end, conn := time.Now().Add(limit+writeTime), http.NewResponseController(w)
	_, _ = conn.SetReadDeadline(end), conn.SetWriteDeadline(end)
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	if h.HTTP != nil {
		h.HTTP.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	v, err := h.Do(ctx, body)
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	case errors.Is(err, errMember):
		fail(w, http.StatusForbidden, err)
	case errors.Is(err, context.DeadlineExceeded):
		fail(w, http.StatusGatewayTimeout, err)
	default:
		fail(w, http.StatusInternalServerError, err)
	}
}

// failure is the answer to what could not be done.
type failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	RC    uint32 `json:"rc,omitempty"`
	Name  string `json:"name,omitempty"` // of the return code
}

func fail(w http.ResponseWriter, status int, err error) {
	f := failure{Error: err.Error()}
	if ee, ok := errors.AsType[*cmdline.ExitError](err); ok {
		f = failure{Error: ee.Err.Error(), Hint: ee.Hint, RC: uint32(ee.RC), Name: ee.RC.Name()}
		if ee.Code == cmdline.ExitUsage {
			status = http.StatusBadRequest
		}
	} else if h, ok := errors.AsType[interface {
		error
		Hinter
	}](err); ok {
		f.Hint = h.Hint()
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(f)
}
