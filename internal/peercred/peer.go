package peercred

import (
	"errors"
	"net"
	"os"
)

// Peer is who holds the other end of a unix socket, as the kernel says. Groups
// are all groups of the process.
type Peer struct {
	UID, GID int
	PID      int
	Groups   []int
}

// ErrNoPeer means that this platform does not tell who connected.
var ErrNoPeer = errors.New("this platform does not tell who connected to a local socket")

// Of returns who connected. The error is ErrNoPeer or the kernel's.
func Of(c *net.UnixConn) (Peer, error) { return peerOf(c) }

// Owner reports whether p is root or the user of this process.
func (p Peer) Owner() bool { return p.UID == 0 || p.UID == os.Geteuid() }

// InGroup reports whether p is a member of the group. No one is in a negative
// group.
func (p Peer) InGroup(gid int) bool {
	if gid < 0 {
		return false
	}
	if p.GID == gid {
		return true
	}
	for _, g := range p.Groups {
		if g == gid {
			return true
		}
	}
	return false
}

// Filter is a listener that closes at once what allow refuses.
type Filter struct {
	*net.UnixListener
	Allow  func(Peer) bool
	Refuse func(Peer, error) // told about a refused connection; may be nil
}

// Accept waits for the next connection that is allowed.
func (f Filter) Accept() (net.Conn, error) {
	for {
		c, err := f.AcceptUnix()
		if err != nil {
			return nil, err
		}
		p, err := Of(c)
		if err == nil && f.Allow(p) {
			return c, nil
		}
		c.Close()
		if f.Refuse != nil {
			f.Refuse(p, err)
		}
	}
}
