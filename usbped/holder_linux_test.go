package usbped

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who has a PED in software is named to the next one who wants it.
func TestSocketHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ped.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if e := socketHolder(path); e != nil {
		t.Errorf("nobody has it: %v", e)
	}
	served := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		served <- c
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = Refuse(t.Context(), c, testInfo)
		}
	}()
	first, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	defer (<-served).Close()
	_, err = SocketOpener{path}.Open(t.Context())
	var held *HeldError
	name, _ := os.ReadFile("/proc/self/comm")
	if !errors.As(err, &held) || held.PID != os.Getpid() || held.Process != strings.TrimSpace(string(name)) || !errors.Is(err, ErrInUse) {
		t.Errorf("%v, want %s (process %d)", err, name, os.Getpid())
	}
}

func TestSocketEntryIsBounded(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, 15), make([]byte, 40), append(make([]byte, 16), 0xff, 0xff, 0, 0), append(make([]byte, 16), 7, 0, 2, 0, 1, 2, 3)} {
		if name, peer := socketEntry(b); name != "" || peer != 0 {
			t.Errorf("%x: %q, %d", b, name, peer)
		}
	}
}
