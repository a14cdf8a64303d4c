package usbped

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// holderTime is for the search of who has a PED.
const holderTime = 500 * time.Millisecond

// The kernel's table of unix sockets, as sock_diag(7) has it.
const (
	netlinkSockDiag  = 4
	sockDiagByFamily = 20
	established      = 1
	showName         = 1
	showPeer         = 4
	attrName         = 0
	attrPeer         = 2
	diagHead         = 16 // of an entry, before its attributes
)

// socketHolder finds the program at the other end of a connection to a socket;
// nil where the system does not tell.
func socketHolder(path string) *HeldError {
	until := time.Now().Add(holderTime)
	for _, inode := range peersOf(path) {
		if e := processWith("socket:["+strconv.FormatUint(uint64(inode), 10)+"]", until); e != nil {
			return e
		}
	}
	return nil
}

// peersOf returns the sockets that are connected to one at path.
func peersOf(path string) (inodes []uint32) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	patience := syscall.NsecToTimeval(int64(holderTime))
	if syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &patience) != nil {
		return nil
	}
	// A message with the head of netlink, and what is asked for: family, states, what to show.
	ask := make([]byte, syscall.NLMSG_HDRLEN+24)
	ne := binary.NativeEndian
	ne.PutUint32(ask, uint32(len(ask)))
	ne.PutUint16(ask[4:], sockDiagByFamily)
	ne.PutUint16(ask[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	ask[16] = syscall.AF_UNIX
	ne.PutUint32(ask[20:], 1<<established)
	ne.PutUint32(ask[28:], showName|showPeer)
	if syscall.Sendto(fd, ask, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}) != nil {
		return nil
	}
	for buf, begin := make([]byte, 64<<10), time.Now(); time.Since(begin) < holderTime; {
		n, _, err := syscall.Recvfrom(fd, buf, 0)
		if err != nil {
			return inodes
		}
		msgs, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil || len(msgs) == 0 {
			return inodes
		}
		for _, m := range msgs {
			if m.Header.Type != sockDiagByFamily { // the end, or an error
				return inodes
			}
			if name, peer := socketEntry(m.Data); name == path && peer != 0 {
				inodes = append(inodes, peer)
			}
		}
	}
	return inodes
}

// socketEntry reads name and peer of an entry.
func socketEntry(b []byte) (name string, peer uint32) {
	ne := binary.NativeEndian
	for b = b[min(len(b), diagHead):]; len(b) >= 4; {
		size := int(ne.Uint16(b))
		if size < 4 || size > len(b) {
			return name, peer
		}
		switch v := b[4:size]; ne.Uint16(b[2:]) {
		case attrName:
			name = string(bytes.TrimRight(v, "\x00"))
		case attrPeer:
			if len(v) == 4 {
				peer = ne.Uint32(v)
			}
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return name, peer
}

// processWith finds the process that has a file open, by what its link says.
func processWith(link string, until time.Time) *HeldError {
	procs, _ := os.ReadDir("/proc")
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		if time.Now().After(until) {
			return nil
		}
		dir := filepath.Join("/proc", p.Name())
		fds, _ := os.ReadDir(filepath.Join(dir, "fd"))
		for _, fd := range fds {
			if to, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err != nil || to != link {
				continue
			}
			name, _ := os.ReadFile(filepath.Join(dir, "comm"))
			return &HeldError{Process: strings.TrimSpace(string(name)), PID: pid}
		}
	}
	return nil
}
