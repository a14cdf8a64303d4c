package peercred

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

const maxGroups = 1024 // of a peer; the kernel's own limit is 65536

func peerOf(c *net.UnixConn) (Peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Ucred
	var groups []int
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
	return Peer{UID: int(cred.Uid), GID: int(cred.Gid), PID: int(cred.Pid), Groups: groups}, nil
}

// peerGroups returns the supplementary groups, or none if the kernel (before
// 4.13) does not tell: then only the main group counts.
func peerGroups(fd uintptr) []int {
	var buf [maxGroups]uint32
	size := uint32(unsafe.Sizeof(buf))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
		uintptr(unsafe.Pointer(&buf)), uintptr(unsafe.Pointer(&size)), 0)
	if e != 0 {
		return nil
	}
	n := min(int(size/4), maxGroups)
	groups := make([]int, n)
	for i := range groups {
		groups[i] = int(buf[i])
	}
	return groups
}
