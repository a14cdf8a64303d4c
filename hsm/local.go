package hsm

import (
	"context"

	"openped/protocol/channel"
	"openped/protocol/hsmapi"
	"openped/usbped"
)

// LocalConn is a FrameConn to a PED on a cable of this host, which this process
// has opened itself.
type LocalConn interface {
	FrameConn
	// Device is what was opened. What comes from a PEDserver has none.
	Device() usbped.Device
}

// CheckLocal reports whether ConnectLocal could succeed, so that nothing needs
// to be opened for an answer known before. A remote PED comes first.
func (s *Slot) CheckLocal() error {
	if err := s.needPED(); err != nil {
		return err
	}
	switch mode, ok := s.connected(); {
	case !ok:
		return nil
	case mode == channel.ModeLocal:
		return errorf(hsmapi.CKR_OPERATION_ACTIVE, "run `ped disconnect` first", "this HSM has its local PED connected")
	}
	return errorf(hsmapi.CKR_OPERATION_ACTIVE, "run `ped disconnect` first, or do it at the remote PED",
		"a remote PED is connected to this HSM, and as long as it is everything goes there")
}

// ConnectLocal takes lc over, also when it fails, and sets up the channel with a
// local PED, for which nobody is asked anything: no orange key, no password. It
// is the only way to mode local.
func (s *Slot) ConnectLocal(ctx context.Context, lc LocalConn) (err error) {
	c, err := s.begin(ctx, nameConnect, 0)
	if err != nil {
		lc.Close()
		return err
	}
	defer func() { err = c.end(err) }()
	if err := s.CheckLocal(); err != nil {
		lc.Close()
		return err
	}
	if lc.Device() == nil {
		lc.Close()
		return errorf(hsmapi.CKR_PED_AUTH_FAILED, "", "not a PED that this host has opened itself")
	}
	return c.connect(&pedConn{slot: s, mode: channel.ModeLocal}, lc)
}
