package localsock

import (
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

func peerOf(conn net.Conn) (Peer, error) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return Peer{}, ErrNoPeer
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Xucred
	var pid int
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
		pid, _ = unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID) // for the log only
	})
	if err == nil {
		err = credErr
	}
	if err != nil {
		return Peer{}, err
	}
	groups := cred.Groups[:min(max(int(cred.Ngroups), 0), len(cred.Groups))] // the main one is the first
	return Peer{User: strconv.FormatUint(uint64(cred.Uid), 10), PID: pid, Owner: owner(int(cred.Uid)), Groups: texts(groups)}, nil
}
