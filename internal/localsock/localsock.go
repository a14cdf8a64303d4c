package localsock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
	"slices"

	"openped/internal/cmdline"
)

// Access says who may connect, besides root (on Windows: administrators and the
// system) and the user of this process.
type Access struct {
	Group string // the members of this group; "": nobody
}

// Allows reports whether a peer may connect.
func (a Access) Allows(p Peer) bool { return p.Owner || p.In(a.Group) }

// Peer is who holds the other end of a connection.
type Peer struct {
	User   string // "" where the system does not tell
	PID    int
	Owner  bool     // root, an administrator, or the user of this process
	Groups []string // all of the process; on Windows the one that let it in
}

// In reports whether p is a member of the group. No one is in no group.
func (p Peer) In(group string) bool { return group != "" && slices.Contains(p.Groups, group) }

var (
	// ErrNoPeer means that this platform does not tell who connected.
	ErrNoPeer = errors.New("this platform does not tell who connected to a local socket")
	// ErrInUse means that another program listens already.
	ErrInUse = errors.New("socket is in use by another program")
)

// PeerOf returns who connected, or who listens at the other end of a connection
// that Dial made. The error is ErrNoPeer or the system's.
func PeerOf(c net.Conn) (Peer, error) { return peerOf(c) }

// Listener is a local socket. Whom Access does not allow may get as far as Accept
// all the same: who accepts asks PeerOf.
type Listener struct {
	net.Listener
	Access Access
	Path   string
	Stale  bool // a crash had left its socket, which was removed
}

// Listen opens the local socket at path: only its owner may connect (mode 0600),
// and the members of the group that access names (0660). A socket that nobody
// listens on is removed; the caller's lock must keep others from making one at
// the same time. What is no socket is left alone.
func Listen(path string, access Access) (*Listener, error) {
	l := &Listener{Access: access, Path: path}
	if err := l.listen(); err != nil {
		return nil, err
	}
	return l, nil
}

// Dial connects to the local socket at path. Before anything is said, trust
// judges who listens there; nil: anybody will do.
func Dial(ctx context.Context, path string, trust func(Peer) error) (net.Conn, error) {
	c, err := dial(ctx, path)
	if err != nil || trust == nil {
		return c, err
	}
	p, err := PeerOf(c)
	if err == nil || errors.Is(err, ErrNoPeer) {
		err = trust(p)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// Remove removes a socket that a crash has left at path. Whatever else is there
// stays.
func Remove(path string) { _, _ = remove(path) }

// Group returns the number of a group, or its SID. flag is where it was named.
func Group(name, flag string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", cmdline.Failed(fmt.Errorf("there is no group %s", cmdline.Printable(name)), "make it, or leave "+flag+" out")
	}
	return g.Gid, nil
}

// WindowsGroup is the group whose members may ask services, unless they say
// otherwise, on Windows, where a service has no group of its own.
const WindowsGroup = "openped"

// Remedy says how somebody gets to a socket in a folder who may not.
func Remedy(folder, socket string) string {
	if group := letsIn(folder, socket); group != "" {
		return "join group " + cmdline.Printable(group) + ", or ask " + Superuser
	}
	return "ask " + Superuser
}
