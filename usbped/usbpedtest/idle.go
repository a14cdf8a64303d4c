package usbpedtest

import (
	"context"
	"fmt"
	"net"
	"os"

	"openped/protocol"
	"openped/usbped"
)

// ServeIdle serves a PED that nobody stands at on the socket that its first
// argument names, until the process is killed: the program "fakeped" of scripts.
func ServeIdle() {
	l, err := net.Listen("unix", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		go idle(usbped.NewGadget(c, usbped.Info{Serial: "P1", Firmware: "2.9.0", Software: true}))
	}
}

func idle(g *usbped.Gadget) {
	for {
		m, err := g.Recv(context.Background())
		if err != nil {
			return
		}
		if m.Kind != usbped.HostFrame {
			_ = g.SendEvent(context.Background(), protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote})
			_ = g.SendCanceled(context.Background(), m.Token)
		}
	}
}
