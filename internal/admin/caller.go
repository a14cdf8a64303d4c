package admin

import (
	"context"
	"net"

	"openped/internal/strangers"
)

// caller is a connection of somebody who may call.
type caller struct {
	net.Conn
	guest  *strangers.Guest
	who    string
	remote bool
	member bool // of the group, and nothing more
}

// Close gives the place back too.
func (c *caller) Close() error {
	c.guest.Leave()
	return c.Conn.Close()
}

// SetLinger is the connection's, where it has one.
func (c *caller) SetLinger(sec int) error {
	if l, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		return l.SetLinger(sec)
	}
	return nil
}

type callerKey struct{}

func withCaller(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*caller); ok {
		return context.WithValue(ctx, callerKey{}, c)
	}
	return ctx
}

func callerOf(ctx context.Context) *caller {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		return c
	}
	return &caller{}
}

// Caller says for the log who asks: "user 0 (process 12)", or "administrator
// NAME at ADDRESS".
func Caller(ctx context.Context) string {
	if c := callerOf(ctx); c.who != "" {
		return c.who
	}
	return "this process"
}
