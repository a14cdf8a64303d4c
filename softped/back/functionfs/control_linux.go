package functionfs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// control reads the events of ep0 until it is closed.
func (g *Gadget) control() {
	buf := make([]byte, 16*eventSize)
	for {
		n, err := g.ep0.Read(buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EIDRM) { // a request that the host gave up
			continue
		}
		if err != nil {
			return
		}
		for _, e := range parseEvents(buf[:n]) {
			g.happened(e)
		}
	}
}

func (g *Gadget) happened(e event) {
	switch e.kind {
	case eventEnable:
		g.log.Debug("configured by a host")
		g.enabled.set(true)
		g.lanes.begin()
	case eventDisable, eventUnbind:
		g.log.Debug("host gone")
		g.enabled.set(false)
		g.lanes.end()
	case eventSuspend:
		// A host that sleeps has left; what it wants when it wakes up begins anew.
		g.log.Debug("host asleep")
		g.lanes.end()
	case eventResume:
		g.log.Debug("host awake")
		if g.enabled.now() {
			g.lanes.begin()
		}
	case eventSetup:
		g.refuse(e)
	}
}

// refuse stalls a request to the interface: there is none that we know. A stall
// is made by moving data the wrong way.
func (g *Gadget) refuse(e event) {
	raw, err := g.ep0.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if e.setup.In() {
			_, _ = unix.Read(int(fd), nil)
		} else {
			_, _ = unix.Write(int(fd), nil)
		}
	})
}
