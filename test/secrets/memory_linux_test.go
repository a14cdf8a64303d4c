package secrets

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

// memory is what a process has written into its memory: stretches of pages that
// are not all zero. Pages left out of core dumps are in it.
type memory [][]byte

const page = 4096

// memoryOf reads all that a live process could have a secret in: what it may
// write, and what belongs to no file.
func memoryOf(pid int) (memory, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	var m memory
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		// 7f0000000000-7f0000001000 rw-p 00000000 00:00 0   [heap]
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || fields[1][0] != 'r' || fields[1][1] != 'w' && fields[4] != "0" {
			continue
		}
		if len(fields) > 5 && (strings.HasPrefix(fields[5], "[v") || strings.HasPrefix(fields[5], "/dev")) {
			continue // the kernel's own
		}
		from, to, ok := bounds(fields[0])
		if !ok {
			return nil, fmt.Errorf("maps: %q", lines.Text())
		}
		if err := m.read(mem, from, to); err != nil {
			return nil, err
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(m) == 0 {
		return nil, errors.New("no memory could be read")
	}
	return m, nil
}

func bounds(s string) (from, to int64, ok bool) {
	a, b, ok := strings.Cut(s, "-")
	from, err1 := strconv.ParseInt(a, 16, 64)
	to, err2 := strconv.ParseInt(b, 16, 64)
	return from, to, ok && err1 == nil && err2 == nil
}

var zeros [page]byte

// read adds one mapping.
func (m *memory) read(mem io.ReaderAt, from, to int64) error {
	buf := make([]byte, 1<<20)
	var run []byte
	flush := func() {
		if len(run) > 0 {
			*m, run = append(*m, run), nil
		}
	}
	defer flush()
	for from < to {
		b := buf[:min(int64(len(buf)), to-from)]
		n, err := mem.ReadAt(b, from)
		if err != nil && n < page {
			// Unmapped in the meantime; or, at the start, not ours to read.
			if errors.Is(err, os.ErrPermission) {
				return err
			}
			return nil
		}
		for p := b[:n/page*page]; len(p) > 0; p = p[page:] {
			if bytes.Equal(p[:page], zeros[:]) {
				flush()
			} else {
				run = append(run, p[:page]...)
			}
		}
		from += int64(n / page * page)
	}
	return nil
}

// mayReadAll reports whether this process may read the memory of softped and
// pedclient, which forbid it to all but root. In CI it has to.
func mayReadAll(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		return true
	}
	if os.Getenv("CI") != "" {
		t.Fatal("run as root: the controls of this test read the memory of softped and pedclient")
	}
	t.Log("NOT RUN without root: the controls, which read the memory of softped and pedclient")
	return false
}
