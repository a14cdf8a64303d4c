package hsm

import (
	"time"

	"openped/protocol/channel"
)

// Lives of sessions. An operation that begins late in a session's life gets a
// new session first, which nobody notices as long as the PED has the orange key
// cached; so it always has half a day. What outlives even the limit is ended.
// Ages are on the monotonic clock: setting the host's clock changes nothing.
const (
	sessionFresh = 12 * time.Hour
	sessionLimit = 24 * time.Hour
)

// live makes s the connection's session.
func (c *pedConn) live(s *channel.Session) {
	c.u, c.s, c.stage, c.ended = nil, s, stageSession, nil
	c.born = time.Now()
	c.life = time.AfterFunc(sessionLimit, c.expire)
}

// left is how long the session may live on.
func (c *pedConn) left() time.Duration { return sessionLimit - time.Since(c.born) }

// stale reports whether a session is too old, or too worn, to begin anything
// with. That of a one-time password cannot be replaced before there is an RPV,
// and is used as long as it lasts.
func (c *pedConn) stale() bool {
	if c.stage != stageSession || !c.s.Worn() && time.Since(c.born) <= sessionFresh {
		return false
	}
	return c.mode != channel.ModeOTP || c.slot.needRPV() == nil
}

// expire forgets a session that reaches its age while no ceremony owns it. The
// PED's clock tells it the same: nothing is sent, so that an idle connection
// stays idle for whoever relays it.
func (c *pedConn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle != nil {
		c.outlived()
	}
}

// outlived forgets a session that has reached its age.
func (c *pedConn) outlived() {
	if c.stage == stageSession && c.left() <= 0 {
		c.forget()
		c.publish()
	}
}

// catchUp takes what has come since the last operation as onIdle would: a PED
// that has closed the session between two operations gets a new one.
func (c *pedConn) catchUp() error {
	for f := c.next(); f != nil; f = c.next() {
		if err := c.onIdle(f); err != nil {
			c.fail(err)
			return lost{c.cause()}
		}
	}
	return nil
}
