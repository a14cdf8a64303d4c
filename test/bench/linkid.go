package main

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"openped/certs/linkid"
)

// measureLinkID prints what the TLS of a link costs, both sides: a mutual
// handshake of PEDserver and PEDclient, each of which has the other registered.
func measureLinkID(w io.Writer, p plan) error {
	run, err := newLinkID()
	if err != nil {
		return err
	}
	rounds, err := interleave(p, time.Now, side{"linkid", run})
	if err != nil {
		return err
	}
	printLine(w, "linkid_handshake_ms", "%.2f", 1e3*typical(rounds, 0))
	return nil
}

func newLinkID() (func() error, error) {
	server, err := linkid.Generate("pedserver")
	if err != nil {
		return nil, err
	}
	client, err := linkid.Generate("pedclient")
	if err != nil {
		return nil, err
	}
	calls := linkid.Only(linkid.PEDServer, "pedserver", server.Cert)
	takes := linkid.Only(linkid.Appliance, "pedclient", client.Cert)
	return func() error {
		a, b := memoryPipe()
		done := make(chan error, 1)
		go func() {
			_, err := linkid.Server(context.Background(), undated{b}, server, takes)
			done <- err
		}()
		_, err := linkid.Client(context.Background(), undated{a}, client, calls, "pedserver")
		return errors.Join(err, <-done)
	}, nil
}

// undated is a connection in memory, which nobody has to wait for: deadlines mean
// nothing there.
type undated struct{ net.Conn }

func (undated) SetDeadline(time.Time) error      { return nil }
func (undated) SetReadDeadline(time.Time) error  { return nil }
func (undated) SetWriteDeadline(time.Time) error { return nil }
func (undated) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (undated) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
