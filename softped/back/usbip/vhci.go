package usbip

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Why the virtual host controller of this computer could not be used.
var (
	ErrNoVHCI   = errors.New("this computer has no virtual USB host controller")
	ErrNotRoot  = errors.New("no permission to use the virtual USB host controller")
	ErrNoPort   = errors.New("all ports of the virtual USB host controller are taken")
	ErrNotLinux = errors.New("virtual USB host controllers are Linux's")
)

// Ports of vhci_hcd with nobody on them say so by this status.
const portFree = 4

// freePort finds a port of high speed hubs in the text of the status file:
//
//	hub port sta spd dev      sockfd local_busid
//	hs  0000 004 000 00000000 000000 0-0
func freePort(status io.Reader) (int, error) {
	for s := bufio.NewScanner(status); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 3 || f[0] != "hs" {
			continue
		}
		port, err1 := strconv.Atoi(f[1])
		state, err2 := strconv.Atoi(f[2])
		if err1 == nil && err2 == nil && state == portFree {
			return port, nil
		}
	}
	return 0, ErrNoPort
}

// attachLine is what is written to take a port.
func attachLine(port int, fd uintptr, speed uint8) string {
	return fmt.Sprintf("%d %d %d %d", port, fd, devID, speed)
}
