package localsock

import (
	"net"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

const maxGroups = 1024 // of a peer; the kernel's own limit is 65536

func peerOf(conn net.Conn) (Peer, error) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return Peer{}, ErrNoPeer
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Ucred
	var groups []uint32
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		groups = peerGroups(fd)
	})
	if err == nil {
		err = credErr
	}
	if err != nil {
		return Peer{}, err
	}
	return Peer{User: strconv.FormatUint(uint64(cred.Uid), 10), PID: int(cred.Pid), Owner: owner(int(cred.Uid)), Groups: texts(append(groups, cred.Gid))}, nil
}

// peerGroups returns the supplementary groups, or none if the kernel (before
// 4.13) does not tell: then only the main group counts.
func peerGroups(fd uintptr) []uint32 {
	var buf [maxGroups]uint32
	size := uint32(unsafe.Sizeof(buf))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
		uintptr(unsafe.Pointer(&buf)), uintptr(unsafe.Pointer(&size)), 0)
	if e != 0 {
		return nil
	}
	return buf[:min(int(size/4), maxGroups)]
}
