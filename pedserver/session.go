package pedserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"openped/internal/logs"
	"openped/protocol"
	"openped/usbped"
)

// session is one connection that has the PED.
type session struct {
	cfg    *Config
	live   *settings
	counts *counts
	calls  *calls
	log    *slog.Logger
	link   *link
	hold   *hold
	meta   *client
	stay   bool        // the link outlives the session if the HSM host releases the PED
	over   atomic.Bool // the last word is said: what comes is not for the PED

	proved    func()      // called at the first proof
	permitted func() bool // whether the settings of now still permit this link
}

var (
	errReleased = errors.New("released by the HSM host")
	errSilent   = errors.New("nothing heard from the HSM host for the ping timeout")
	errDevice   = errors.New("the PED does not take frames")
)

// orSilent is err, or errSilent for a deadline that has passed.
func orSilent(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSilent
	}
	return err
}

// peerError is the peer's own reason to end the link.
func peerError(e protocol.Error) error {
	return fmt.Errorf("%w with code %d (%v)", errPeer, uint16(e.Code), e.Code)
}

// run relays until one side ends it and returns why. A protocol.Error has been
// sent to the peer. It reports whether the HSM ever proved itself.
func (s *session) run(ctx context.Context) (proven bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	var reader sync.WaitGroup
	reader.Go(func() { ended <- s.fromHost(ctx) })
	proven, err = s.fromPED(ctx, ended)
	s.over.Store(true)
	cancel()
	close(s.hold.left)
	if s.stay && errors.Is(err, errReleased) {
		reader.Wait()
	} else {
		s.link.part(err, reader.Wait)
	}
	return proven, err
}

// fromHost carries frames of the HSM host to the PED. While the PED takes a
// frame no other is read: TCP slows the host down.
func (s *session) fromHost(ctx context.Context) error {
	for {
		b, err := s.link.recv(time.Now().Add(s.live.now().PingTimeout))
		if err != nil {
			return orSilent(err)
		}
		if s.over.Load() {
			continue
		}
		switch b := b.(type) {
		case protocol.PEDFrame:
			s.meta.frame(time.Now())
			s.counts.toPED(len(b.Bytes))
			s.log.Log(ctx, logs.LevelTrace, "frame to PED", "bytes", len(b.Bytes))
			if err := s.toPED(ctx, b.Bytes); err != nil {
				s.log.Warn("PED does not take a frame", "err", err)
				return errors.Join(errDevice, protocol.Error{Code: lossCode(err)})
			}
		case protocol.Ping:
			if err := s.link.send(protocol.Pong(b)); err != nil {
				return err
			}
		case protocol.Pong:
		case protocol.Release:
			return errReleased
		case protocol.Error:
			return peerError(b)
		default:
			return protocol.Error{Code: protocol.LinkErrProtocol}
		}
	}
}

// toPED sends one frame. A slow PED may take its time, which its own flow control
// and the pings bound. When the session ends the frame gets a while more: one that
// is cut in half could take the PED with it.
func (s *session) toPED(ctx context.Context, frame []byte) error {
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.FrameWait)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-s.hold.lost:
			cancel()
		default:
			time.AfterFunc(s.cfg.DeviceWait, cancel)
		}
	})
	defer stop()
	return s.calls.do(sctx, func(ctx context.Context) error { return s.hold.dev.Send(ctx, frame) }, nil)
}

// fromPED carries what the PED says to the HSM host and keeps the clocks: ping,
// proof and idleness.
func (s *session) fromPED(ctx context.Context, ended <-chan error) (proven bool, err error) {
	now := s.live.now()
	if !s.permitted() { // since the call came in
		return false, protocol.Error{Code: protocol.LinkErrNotAllowed}
	}
	ping := time.NewTicker(now.PingInterval)
	defer ping.Stop()
	proof := time.NewTimer(s.cfg.ProofTimeout)
	defer proof.Stop()
	idle := time.NewTimer(s.idleLeft())
	defer idle.Stop()
	var token uint32
	for {
		select {
		case <-ctx.Done():
			return proven, endOf(ctx)
		case err := <-ended:
			return proven, err
		case <-s.hold.lost:
			return proven, s.hold.loss
		case <-s.hold.ended:
			return proven, errTakenAway
		case <-proof.C:
			return proven, protocol.Error{Code: protocol.LinkErrTooSlow}
		case <-idle.C:
			if s.idleLeft() <= 0 {
				return proven, protocol.Error{Code: protocol.LinkErrIdle}
			}
			idle.Reset(s.idleLeft())
		case <-now.changed:
			now = s.live.now()
			if !s.permitted() {
				return proven, protocol.Error{Code: protocol.LinkErrNotAllowed}
			}
			ping.Reset(now.PingInterval)
			_ = s.link.SetReadDeadline(time.Now().Add(now.PingTimeout)) // of the read under way
			idle.Reset(s.idleLeft())
		case <-ping.C:
			token++
			err = s.link.send(protocol.Ping{Token: token})
		case m := <-s.hold.msgs:
			// Only the first proof is urgent: later an HSM that has proved
			// itself may take its time to begin a new channel.
			if m.Event != nil && m.Event.Kind == protocol.EvtProven {
				if !proven {
					s.proved()
				}
				proven = true
				s.meta.prove()
				proof.Stop()
			}
			err = s.toHost(ctx, m)
			if err == nil && m.Event != nil && m.Event.Mode == protocol.PEDModeLocal {
				// It takes no orange key now, and is not for who comes from afar.
				err = protocol.Error{Code: protocol.LinkErrPEDMode}
			}
		}
		if err != nil {
			return proven, err
		}
	}
}

// idleLeft is how long the PED may stay silent from now.
func (s *session) idleLeft() time.Duration {
	limit := s.live.now().IdleTimeout
	if limit < 0 {
		return 1000 * time.Hour
	}
	return time.Until(s.meta.lastFrame().Add(limit))
}

func (s *session) toHost(ctx context.Context, m usbped.Message) error {
	if m.Event != nil {
		s.log.Log(ctx, logs.LevelTrace, "event from PED", "kind", m.Event.Kind.String(), "mode", m.Event.Mode.String(), "busy", m.Event.Busy)
		return s.link.send(*m.Event)
	}
	s.meta.frame(time.Now())
	s.counts.fromPED(len(m.Frame))
	s.log.Log(ctx, logs.LevelTrace, "frame from PED", "bytes", len(m.Frame))
	return s.link.send(protocol.PEDFrame{Bytes: m.Frame})
}
