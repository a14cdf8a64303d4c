package pedclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"openped/certs/linkid"
	"openped/hsm"
	"openped/internal/wire"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

const hintConnect = "run `ped connect`"

// dial connects to a PEDserver and gets its PED for the HSM with a serial. It
// takes no longer than Timers.Dial. Errors are *hsm.Error.
func (n *network) dialHold(ctx context.Context, to Target, serial string, log *slog.Logger) (*hold, error) {
	ctx, cancel := limited(ctx, n.clock.get().Dial)
	defer cancel()
	g, err := n.greet(ctx, to, newTrace())
	if err != nil {
		return nil, err
	}
	ped, err := g.acquire(ctx, serial)
	if err != nil {
		_ = g.conn.Close()
		return nil, err
	}
	l := newLine(g, false, n.clock, log)
	h := newHold(l, ped)
	l.hold = h
	log.Info("PED acquired", "pedserver", l.where, "peer", l.peer, "ped", ped.Serial, "firmware", ped.Firmware, "software", ped.Software, "authenticated", false)
	l.start()
	return h, nil
}

// acquire asks for the PED on a connection that is there for nothing else.
func (g *greeted) acquire(ctx context.Context, serial string) (protocol.Acquired, error) {
	b, err := g.ask(ctx, protocol.Acquire{HSMSerial: serial})
	if err != nil {
		return protocol.Acquired{}, err
	}
	switch b := b.(type) {
	case protocol.Acquired:
		return b, nil
	case protocol.Busy:
		return protocol.Acquired{}, busyError(b, g.where)
	}
	return protocol.Acquired{}, linkError(protocol.LinkErrProtocol, g.where)
}

// limited bounds what a person waits for.
func limited(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithValue(ctx, limitKey{}, d), d)
}

type limitKey struct{}

// limitOf is the bound of a context of limited.
func limitOf(ctx context.Context) time.Duration {
	d, _ := ctx.Value(limitKey{}).(time.Duration)
	return d
}

// cancelled returns the error for what somebody has cancelled, or nil.
func cancelled(ctx context.Context, err error) *hsm.Error {
	if !errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return &hsm.Error{Code: hsmapi.CKR_FUNCTION_CANCELED, Msg: "cancelled", Err: err}
}

func unplugged(msg, hint string, cause error) *hsm.Error {
	return &hsm.Error{Code: hsmapi.CKR_PED_UNPLUGGED, Msg: msg, Hint: hint, Err: cause}
}

func busyError(b protocol.Busy, where string) *hsm.Error {
	at := time.Now().Add(-time.Duration(b.Since) * time.Second).Format("15:04:05")
	holder := "another HSM"
	if b.Holder != "" {
		holder = "an HSM of " + b.Holder
	}
	return &hsm.Error{Code: hsmapi.CKR_PED_BUSY, Msg: fmt.Sprintf("the PED at %s serves %s, for %d s now (since %s)", where, holder, b.Since, at),
		Hint: "wait until that one runs `ped disconnect`, or ask who stands at the PED"}
}

// linkError is what a PEDserver's ERROR means for the caller. Without TLS the
// link is not authenticated: the message says who claims it.
func linkError(code protocol.LinkErr, where string) *hsm.Error {
	e := &hsm.Error{Code: hsmapi.CKR_PED_UNPLUGGED, Msg: fmt.Sprintf("the PEDserver at %s says: %v", where, code), Hint: code.Hint(), Err: protocol.Error{Code: code}}
	switch code {
	case protocol.LinkErrVersion, protocol.LinkErrProtocol:
		e.Code = hsmapi.CKR_CALLBACK_ERROR
	case protocol.LinkErrPEDMode:
		e.Code = hsmapi.CKR_PED_REFUSED
	case protocol.LinkErrNotAllowed:
		e.Code = hsmapi.CKR_PEDSERVER_UNTRUSTED
	}
	if e.Hint == "" {
		e.Hint = hintConnect
	}
	return e
}

// dialError says why there is no connection, in words that name the remedy and
// the addresses that were tried.
func dialError(ctx context.Context, to Target, t *trace, err error) *hsm.Error {
	if e := cancelled(ctx, err); e != nil {
		return e
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		if dns.IsTimeout || dns.IsTemporary {
			return unplugged(fmt.Sprintf("the name of the PEDserver at %v could not be looked up: no name server answers", to),
				"check the network and the name servers, or give the address with -ip", err)
		}
		return unplugged(fmt.Sprintf("the name of the PEDserver at %v is not known", to), "check the name, or give the address with -ip", err)
	}
	all := t.failures()
	kind := failureOf(err)
	var each, addresses []string
	for _, f := range all {
		k := failureOf(f.err)
		if k != failureOf(all[0].err) {
			kind = noWay
		} else if len(each) == 0 {
			kind = k
		}
		host, _, splitErr := net.SplitHostPort(f.address)
		if splitErr != nil {
			host = f.address
		}
		addresses = append(addresses, host)
		each = append(each, k.String()+" at "+host)
	}
	what := to.String()
	switch {
	case len(addresses) == 0, len(addresses) == 1 && addresses[0] == to.Host:
	case kind == noWay:
		what += " (" + strings.Join(each, ", ") + ")"
	default:
		what += " (tried " + strings.Join(addresses, ", ") + ")"
	}
	switch kind {
	case noAnswer:
		return unplugged(fmt.Sprintf("no answer from %s within %v", what, limitOf(ctx)), fmt.Sprintf("check the address and that no firewall blocks TCP port %d", to.Port), err)
	case nobody:
		return unplugged("nobody listens at "+what, "start pedserver there, and compare the port with `pedserver -mode show`", err)
	}
	return unplugged("no way to the PEDserver at "+what, "check the address and the network", err)
}

// failure is what became of a call.
type failure uint8

const (
	noWay failure = iota
	noAnswer
	nobody
)

func (f failure) String() string { return [...]string{"no way", "no answer", "nobody listens"}[f] }

func failureOf(err error) failure {
	var ne net.Error
	switch {
	case isRefused(err):
		return nobody
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return noAnswer
	}
	return noWay
}

// greetError says why a PEDserver that was reached did not give what it was
// asked for.
func greetError(ctx context.Context, to Target, err error) *hsm.Error {
	if e := cancelled(ctx, err); e != nil {
		return e
	}
	var done *hsm.Error
	switch {
	case errors.As(err, &done):
		return done
	case errors.Is(err, linkid.ErrClosedEarly):
		return untrusted(fmt.Sprintf("the PEDserver at %v closed the connection during authentication", to),
			"check that this host's certificate is registered there, and its log", err)
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, protocol.ErrCritical):
		e := linkError(protocol.LinkErrProtocol, to.String())
		e.Msg, e.Err = fmt.Sprintf("what answers at %v is no PEDserver of this release", to), err
		return e
	case failureOf(err) == noAnswer:
		return unplugged(fmt.Sprintf("the PEDserver at %v does not answer within %v", to, limitOf(ctx)), "see `pedserver -mode show` on its workstation", err)
	}
	return unplugged(fmt.Sprintf("the PEDserver at %v hung up", to), "it may have too many connections: try again, and see its log", err)
}
