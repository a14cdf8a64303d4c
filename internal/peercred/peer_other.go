//go:build !linux

package peercred

import "net"

func peerOf(*net.UnixConn) (Peer, error) { return Peer{}, ErrNoPeer }
