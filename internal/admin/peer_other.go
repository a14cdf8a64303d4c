//go:build !linux

package admin

import "net"

func peerOf(*net.UnixConn) (Peer, error) { return Peer{}, ErrNoPeer }
