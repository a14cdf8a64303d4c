//go:build unix && !linux && !darwin

package localsock

import "net"

func peerOf(net.Conn) (Peer, error) { return Peer{}, ErrNoPeer }
