package pedclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"openped/hsm"
	"openped/internal/cmdline"
	"openped/internal/wire"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

const hintConnect = "run `ped connect`"

// Dialer opens a network connection; net.Dialer's DialContext but in tests.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// dialLink connects to a PEDserver and gets its PED for the HSM with a serial.
// It takes no longer than t.Dial. Errors are *hsm.Error.
func dialLink(ctx context.Context, dial Dialer, host string, port int, serial string, t Timers, log *slog.Logger) (*linkConn, error) {
	t.fill()
	where := fmt.Sprintf("%s port %d", host, port)
	asked := ctx
	ctx, cancel := context.WithTimeout(ctx, t.Dial)
	defer cancel()
	c, err := dial(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, dialError(asked, where, port, t.Dial, err)
	}
	// From here on the end of ctx ends every read and write.
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	ped, err := acquire(c, serial, where)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = c.Close()
		return nil, greetError(asked, where, t.Dial, err)
	}
	_ = c.SetDeadline(time.Time{})
	log.Info("PED acquired", "pedserver", where, "ped", ped.Serial, "firmware", ped.Firmware, "software", ped.Software, "authenticated", false)
	return startLink(c, where, ped, t, log), nil
}

// acquire exchanges HELLO and asks for the PED.
func acquire(c net.Conn, serial, where string) (protocol.Acquired, error) {
	none := protocol.Acquired{}
	mine := protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion, Software: "pedclient " + cmdline.Version}
	if err := protocol.WriteBody(c, mine); err != nil {
		return none, err
	}
	b, err := readBody(c)
	if err != nil {
		return none, err
	}
	switch b := b.(type) {
	case protocol.Hello:
		if _, err := protocol.Negotiate(mine, b); err != nil {
			return none, linkError(protocol.LinkErrVersion, where)
		}
	case protocol.Error:
		return none, linkError(b.Code, where)
	default:
		return none, linkError(protocol.LinkErrProtocol, where)
	}
	if err := protocol.WriteBody(c, protocol.Acquire{HSMSerial: serial}); err != nil {
		return none, err
	}
	if b, err = readBody(c); err != nil {
		return none, err
	}
	switch b := b.(type) {
	case protocol.Acquired:
		return b, nil
	case protocol.Busy:
		return none, busyError(b.Since, where)
	case protocol.Error:
		return none, linkError(b.Code, where)
	}
	return none, linkError(protocol.LinkErrProtocol, where)
}

func unplugged(msg, hint string, cause error) *hsm.Error {
	return &hsm.Error{Code: hsmapi.CKR_PED_UNPLUGGED, Msg: msg, Hint: hint, Err: cause}
}

func busyError(since uint32, where string) *hsm.Error {
	at := time.Now().Add(-time.Duration(since) * time.Second).Format("15:04:05")
	return &hsm.Error{Code: hsmapi.CKR_PED_BUSY, Msg: fmt.Sprintf("the PED at %s serves another HSM, for %d s now (since %s)", where, since, at),
		Hint: "wait until that one runs `ped disconnect`, or ask who stands at the PED"}
}

// linkError is what a PEDserver's ERROR means for the caller. The link is not
// authenticated: the message says who claims it.
func linkError(code protocol.LinkErr, where string) *hsm.Error {
	e := &hsm.Error{Code: hsmapi.CKR_PED_UNPLUGGED, Msg: fmt.Sprintf("the PEDserver at %s says: %v", where, code), Hint: code.Hint(), Err: protocol.Error{Code: code}}
	switch code {
	case protocol.LinkErrVersion, protocol.LinkErrProtocol:
		e.Code = hsmapi.CKR_CALLBACK_ERROR
	case protocol.LinkErrPEDMode:
		e.Code = hsmapi.CKR_PED_REFUSED
	}
	if e.Hint == "" {
		e.Hint = hintConnect
	}
	return e
}

// dialError says why there is no connection, in words that name the remedy.
func dialError(asked context.Context, where string, port int, limit time.Duration, err error) *hsm.Error {
	var dns *net.DNSError
	switch {
	case asked.Err() != nil:
		return &hsm.Error{Code: hsmapi.CKR_FUNCTION_CANCELED, Msg: "cancelled", Err: err}
	case errors.As(err, &dns):
		return unplugged("the name of the PEDserver at "+where+" is not known", "check the name, or give the address with -ip", err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return unplugged(fmt.Sprintf("no answer from %s within %v", where, limit), fmt.Sprintf("check the address and that no firewall blocks TCP port %d", port), err)
	case isRefused(err):
		return unplugged("nobody listens at "+where, "start pedserver there, and compare the port with `pedserver -mode show`", err)
	}
	return unplugged("no way to the PEDserver at "+where, "check the address and the network", err)
}

func greetError(asked context.Context, where string, limit time.Duration, err error) *hsm.Error {
	var done *hsm.Error
	switch {
	case asked.Err() != nil:
		return &hsm.Error{Code: hsmapi.CKR_FUNCTION_CANCELED, Msg: "cancelled", Err: err}
	case errors.As(err, &done):
		return done
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, protocol.ErrCritical):
		e := linkError(protocol.LinkErrProtocol, where)
		e.Msg, e.Err = "what answers at "+where+" is no PEDserver of this release", err
		return e
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return unplugged(fmt.Sprintf("the PEDserver at %s does not answer within %v", where, limit), "see `pedserver -mode show` on its workstation", err)
	}
	return unplugged("the PEDserver at "+where+" hung up", "it may have too many connections: try again, and see its log", err)
}
