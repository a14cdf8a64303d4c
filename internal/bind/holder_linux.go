package bind

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"openped/internal/cmdline"
)

const (
	holderTime = 500 * time.Millisecond // for the search of who has a port
	maxTable   = 1 << 20                // of the kernel's table, in bytes; listening sockets come first
)

// listening is a listening socket in the kernel's table.
type listening struct {
	inode string
	uid   string
}

// holder says who has a port, as far as the system tells.
func holder(ctx context.Context, a netip.Addr, port int) string {
	ctx, cancel := context.WithTimeout(ctx, holderTime)
	defer cancel()
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		s, ok := listener(table, a, port)
		if !ok {
			continue
		}
		if pid := owner(ctx, s.inode); pid != "" {
			if name, err := os.ReadFile("/proc/" + pid + "/comm"); err == nil {
				return fmt.Sprintf("%s (process %s)", cmdline.Printable(strings.TrimSpace(string(name))), pid)
			}
			return "process " + pid
		}
		if s.uid != "" {
			return "a program of user " + s.uid
		}
	}
	return "another program"
}

// listener finds the socket that is in the way of a at port.
func listener(table string, a netip.Addr, port int) (listening, bool) {
	f, err := os.Open(table)
	if err != nil {
		return listening{}, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(io.LimitReader(f, maxTable)); lines.Scan(); {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != "0A" {
			continue
		}
		at, ok := parseEndpoint(f[1])
		if !ok || int(at.Port()) != port {
			continue
		}
		if h := at.Addr(); h.IsUnspecified() || !a.IsValid() || a.IsUnspecified() || h.Unmap() == a.WithZone("") {
			return listening{inode: f[9], uid: f[7]}, true
		}
	}
	return listening{}, false
}

// parseEndpoint reads "0100007F:05DF": words of four bytes in this machine's
// order, and the port.
func parseEndpoint(text string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, uint16(n)), true
}

// owner finds the process that has a socket open, "" where this user may not see
// it.
func owner(ctx context.Context, inode string) string {
	want := "socket:[" + inode + "]"
	procs, _ := os.ReadDir("/proc")
	for _, p := range procs {
		if ctx.Err() != nil {
			return ""
		}
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		dir := filepath.Join("/proc", p.Name(), "fd")
		fds, _ := os.ReadDir(dir)
		for _, fd := range fds {
			if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && to == want {
				return p.Name()
			}
		}
	}
	return ""
}
