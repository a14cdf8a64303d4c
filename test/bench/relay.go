package main

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"openped/test/lab"
	"openped/usbped"
)

// frameSize is the size of the frames carried: a record of the channel with the
// usual small message in it.
const frameSize = 336

// waitFrame bounds the wait for anything here.
const waitFrame = 10 * time.Second

// measureRelay prints what one frame costs more when PEDserver carries it: half
// of how much longer a frame and its echo take through a pedserver of its own
// process, over TCP on loopback, than on a cable to the same PED.
func measureRelay(w io.Writer, p plan, d *daemons) error {
	ped, err := lab.PlugEcho(filepath.Join(d.dir, "echo.sock"))
	if err != nil {
		return err
	}
	defer ped.Close()
	stop, addr, err := d.runServer("unix:" + ped.Path)
	if err != nil {
		return err
	}
	defer stop()
	direct, err := dialPED(ped.Path)
	if err != nil {
		return err
	}
	defer direct.Close()
	relayed, err := lab.DialEcho(addr)
	if err != nil {
		return err
	}
	defer relayed.Close()
	frame := make([]byte, frameSize)
	rounds, err := interleave(p, time.Now,
		side{"a frame on the cable", func() error { return direct.echo(frame) }},
		side{"a frame through pedserver", func() error { return relayed.Echo(frame) }})
	if err != nil {
		return err
	}
	added := make([]float64, len(rounds))
	for i, took := range rounds {
		added[i] = 1e6 * (took[1] - took[0]).Seconds() / 2
	}
	printLine(w, "relay_frame_added_us", "%.1f", median(added))
	printLine(w, "cable_frame_us", "%.1f", 1e6*typical(rounds, 0)/2)
	return nil
}

// cable is a host's connection to the PED.
type cable struct{ usbped.Device }

func dialPED(path string) (cable, error) {
	ctx, cancel := context.WithTimeout(context.Background(), waitFrame)
	defer cancel()
	d, err := usbped.SocketOpener{Path: path}.Open(ctx)
	return cable{d}, err
}

func (c cable) echo(frame []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), waitFrame)
	defer cancel()
	if err := c.Send(ctx, frame); err != nil {
		return err
	}
	for {
		m, err := c.Recv(ctx)
		if err != nil {
			return err
		}
		if m.Event == nil {
			if len(m.Frame) != len(frame) {
				return lab.ErrEcho
			}
			return nil
		}
	}
}
