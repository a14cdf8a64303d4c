package hsmcm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"openped/internal/cmdline"
	"openped/internal/localsock"
	"openped/internal/rundir"
	"openped/protocol/hsmapi"
)

// Conn is a connection to pedclient's socket.
type Conn = io.ReadWriteCloser

// Dialer opens pedclient's socket: at a path, or of the service called instance, or
// the default one if both are empty.
// An error that wraps ErrNotRunning means that nobody listens there.
type Dialer func(path, instance string) (Conn, error)

// ErrNotRunning is the cause when no pedclient listens on the socket.
var ErrNotRunning = errors.New("pedclient is not running")

const (
	// cancelGrace is how long a cancelled command may take to end by itself.
	cancelGrace = 10 * time.Second
	// promptLimit is how long a question at the console waits for its answer.
	promptLimit = 10 * time.Minute
	// silenceLimit is how long a pedclient that runs a command may say nothing.
	silenceLimit = 10 * time.Second
)

// dialTime is for pedclient to take a connection.
const dialTime = 5 * time.Second

// errSilent is why a connection was dropped.
var errSilent = errors.New("pedclient does not answer")

// DialSocket is the Dialer for real sockets: path, or hsm.sock in the run folder.
func DialSocket(path, instance string) (Conn, error) {
	dirs := rundir.Dirs{Run: filepath.Dir(path)}
	if path == "" {
		var err error
		if instance != "" {
			dirs, err = rundir.Service(instance)
		} else {
			dirs, err = rundir.FindDaemon("pedclient")
		}
		if err == nil {
			path, err = dirs.Socket("hsm.sock")
		}
		if err != nil {
			return nil, err
		}
		if err := rundir.CheckSocket(path); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	// A stranger who listens there would be told one-time passwords.
	conn, err := localsock.Dial(ctx, path, func(p localsock.Peer) error { return dirs.CheckServer(p.User) })
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w: nobody listens on %s", ErrNotRunning, path)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, cmdline.Failed(fmt.Errorf("not permitted: %s", path), localsock.Remedy(dirs.Run, path))
	}
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// client is the connection that a login belongs to.
type client struct {
	conn Conn
	api  *hsmapi.Client
}

func (c *client) close() { _ = c.conn.Close() }

// connect returns the session's connection, opening it where there is none.
func (s *session) connect() (*client, error) {
	if s.client != nil {
		return s.client, nil
	}
	conn, err := s.dial()
	switch {
	case errors.Is(err, ErrNotRunning):
		return nil, &cmdline.ExitError{Code: cmdline.ExitNotRunning, Err: err, Hint: "start it with  pedclient -mode start -hsm <file>"}
	case errors.As(err, new(*cmdline.ExitError)):
		return nil, err
	case err != nil:
		return nil, cmdline.Failed(fmt.Errorf("pedclient's socket: %w", err), "check the path and who may open it")
	}
	s.client = &client{conn, hsmapi.NewClient(hsmapi.NewConn(conn))}
	return s.client, nil
}

// resultError is a command that the HSM or pedclient did not carry out; it has
// been printed.
type resultError struct{ code hsmapi.Code }

func (e *resultError) Error() string { return "result " + e.code.String() }

// do runs one request to its end and prints what the server says meanwhile and
// a failed result; a good one is the caller's to print. Ctrl-C cancels it, a
// second one drops the connection.
func (s *session) do(ctx context.Context, cmd hsmapi.Command, fields hsmapi.Fields, progress func(hsmapi.Event, hsmapi.Fields)) (hsmapi.Fields, error) {
	reused := s.client != nil
	c, err := s.connect()
	if err != nil {
		fields.Wipe()
		return nil, err
	}
	resend := keep(fields)
	result, err := s.await(ctx, c, cmd, fields, progress)
	if err != nil && reused && errors.Is(err, syscall.EPIPE) {
		// pedclient went away since the last command and never saw this one.
		s.close()
		if c, err = s.connect(); err != nil {
			resend.Wipe()
			return nil, err
		}
		s.printf("(pedclient was restarted: an earlier login has ended)\n")
		result, err = s.await(ctx, c, cmd, resend, progress)
	}
	resend.Wipe()
	return result, s.failed(err)
}

// keep copies fields: sending wipes what is secret in them.
func keep(fields hsmapi.Fields) hsmapi.Fields {
	var out hsmapi.Fields
	for _, f := range fields {
		f.Value = append([]byte(nil), f.Value...)
		out = append(out, f)
	}
	return out
}

func (s *session) await(ctx context.Context, c *client, cmd hsmapi.Command, fields hsmapi.Fields, progress func(hsmapi.Event, hsmapi.Fields)) (hsmapi.Fields, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var dropped atomic.Bool
	// Every message begins the wait for the next anew; a question stops it.
	var silent atomic.Bool
	silence := time.AfterFunc(silenceLimit, func() {
		silent.Store(true)
		c.close()
	})
	defer silence.Stop()
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		var grace <-chan time.Time
		for {
			select {
			case sig := <-s.sigs:
				if sig == syscall.SIGTERM {
					s.terminated.Store(true)
				}
				if grace != nil {
					dropped.Store(true)
					c.close()
					continue
				}
				s.printf("Cancelling. Ctrl-C again to leave at once.\n")
				grace = time.After(cancelGrace)
				cancel(errInterrupted)
				_ = c.api.Cancel()
			case <-grace:
				dropped.Store(true)
				c.close()
			case <-done:
				return
			}
		}
	}()
	result, err := c.api.Do(cmd, fields, hsmapi.Handler{
		Progress: func(e hsmapi.Event, f hsmapi.Fields) {
			silence.Reset(silenceLimit)
			s.progress(e, f, progress)
		},
		Prompt: func(p hsmapi.PromptID, f hsmapi.Fields) (bool, error) {
			silence.Stop()
			defer silence.Reset(silenceLimit)
			return s.question(ctx, p, f)
		},
	})
	close(done)
	<-watched
	cancel(nil)
	switch {
	case dropped.Load():
		err = errInterrupted
		s.close()
	case silent.Load() && err != nil:
		err = errSilent
		s.close()
	}
	return result, err
}

// failed prints an error as a result. The connection is given up where it is
// of no more use.
func (s *session) failed(err error) error {
	if err == nil {
		return nil
	}
	var ours *hsmapi.Error
	var exit *cmdline.ExitError
	switch {
	case errors.As(err, &exit):
		return err
	case errors.As(err, &ours):
	case errors.Is(err, errInterrupted):
		ours = &hsmapi.Error{Code: hsmapi.CKR_FUNCTION_CANCELED, Msg: "cancelled at the console"}
	case errors.Is(err, hsmapi.ErrVersion), errors.Is(err, hsmapi.ErrCritical):
		s.close()
		ours = &hsmapi.Error{Code: hsmapi.CKR_FUNCTION_NOT_SUPPORTED, Msg: "pedclient speaks another version of the local protocol",
			Hint: "install the same release of hsmcm and pedclient"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		ours = &hsmapi.Error{Code: hsmapi.CKR_FUNCTION_CANCELED, Msg: "no answer at the console in time"}
	case errors.Is(err, errSilent):
		ours = &hsmapi.Error{Code: hsmapi.CKR_DEVICE_REMOVED, Msg: fmt.Sprintf("pedclient does not answer (nothing for %v)", silenceLimit),
			Hint: "check it with  pedclient -mode show; what it was asked for may have been done"}
	default:
		s.close()
		ours = &hsmapi.Error{Code: hsmapi.CKR_DEVICE_REMOVED, Msg: "the connection to pedclient broke",
			Hint: "check it with  pedclient -mode show; a login has ended with the connection"}
	}
	s.printFailure(ours)
	return &resultError{ours.Code}
}
