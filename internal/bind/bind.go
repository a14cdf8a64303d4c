package bind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/rc"
)

// Options say where to listen.
type Options struct {
	IPs      []string // empty: every address; 0.0.0.0 and :: are every one of a family
	Port     int      // 0: any, for tests
	External bool     // false: this host's programs only
	Wait     bool     // for addresses that are not here, though none is
	Log      *slog.Logger
	PortFlag string // for messages; empty: "port"
	IPFlag   string // for messages; empty: "ip"
}

var loopback = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}

// Listen listens as o says, or fails with a *cmdline.ExitError that says what to
// do. It waits for nothing: an address that is not here is looked for later. The
// Set is open until Close.
func Listen(ctx context.Context, o Options) (*Set, error) {
	if o.PortFlag == "" {
		o.PortFlag = "port"
	}
	if o.IPFlag == "" {
		o.IPFlag = "ip"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	spots, err := o.spots()
	if err != nil {
		return nil, err
	}
	s := newSet(o, spots)
	for _, p := range spots {
		if err := p.listen(ctx, &s.o); err != nil && !isNotHere(err) {
			_ = s.Close()
			return nil, s.o.explain(ctx, p.addr, err)
		}
	}
	s.spots = slices.DeleteFunc(s.spots, func(p *spot) bool { return p.spare && p.l == nil })
	if !s.o.Wait && !slices.ContainsFunc(s.spots, func(p *spot) bool { return p.l != nil }) {
		_ = s.Close()
		return nil, s.o.notHere(spots)
	}
	s.start()
	return s, nil
}

// spots returns the places to listen at.
func (o *Options) spots() ([]*spot, error) {
	var spots []*spot
	for _, text := range o.IPs {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, &cmdline.ExitError{Code: cmdline.ExitUsage, RC: rc.BadConfig, Err: fmt.Errorf("-%s %s is not an IP address", o.IPFlag, cmdline.Printable(text)), Hint: "this host has " + hostAddrs()}
		}
		a = a.Unmap()
		if a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" {
			return nil, &cmdline.ExitError{Code: cmdline.ExitUsage, RC: rc.BadConfig, Err: fmt.Errorf("-%s %s does not say of which interface", o.IPFlag, a),
				Hint: "write " + a.String() + "%NAME"}
		}
		if !o.External && !a.IsLoopback() {
			return nil, &cmdline.ExitError{Code: cmdline.ExitUsage, RC: rc.BadConfig, Err: fmt.Errorf("-%s %s is not for this host's programs only", o.IPFlag, a),
				Hint: "name 127.0.0.1 or ::1, or allow others to connect"}
		}
		if !slices.ContainsFunc(spots, func(p *spot) bool { return p.addr == a }) {
			spots = append(spots, &spot{addr: a})
		}
	}
	switch {
	case len(spots) > 0:
	case o.External:
		spots = []*spot{{}}
	default:
		for _, a := range loopback {
			spots = append(spots, &spot{addr: a, spare: true})
		}
	}
	return spots, nil
}

// explain says why an address can not be had.
func (o *Options) explain(ctx context.Context, a netip.Addr, err error) error {
	if se, ok := errors.AsType[*os.SyscallError](err); ok {
		err = se.Err
	}
	where := "port " + strconv.Itoa(o.Port)
	if a.IsValid() && !a.IsUnspecified() {
		where += " of " + a.String()
	}
	fail := func(code rc.Code, hint, format string, args ...any) error {
		return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: code, Err: fmt.Errorf(format, args...), Hint: hint}
	}
	switch {
	case isInUse(err):
		return fail(rc.PortInUse, "choose another with -"+o.PortFlag+", or end that program", "%s is in use by %s", where, holder(ctx, a, o.Port))
	case isDenied(err) && o.Port < 1024:
		return fail(rc.AccessDenied, "choose a port above 1023 with -"+o.PortFlag, "%s: permission denied", where)
	case isDenied(err):
		return fail(rc.AccessDenied, "choose another with -"+o.PortFlag+"; the system keeps this one", "%s: permission denied", where)
	}
	return fail(rc.SocketError, "", "listen on %s: %w", where, err)
}

func (o *Options) notHere(spots []*spot) error {
	var names []string
	for _, p := range spots {
		names = append(names, p.addr.String())
	}
	is := " is not an address"
	if len(names) > 1 {
		is = " are not addresses"
	}
	return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.AddressNotHere, Err: errors.New(strings.Join(names, ", ") + is + " of this host"),
		Hint: "this host has " + hostAddrs() + "; leave -" + o.IPFlag + " out to listen on all, or wait for it with -waitaddress 1"}
}

// hostAddrs lists the addresses of this host for a message.
func hostAddrs() string {
	var out []string
	for _, a := range ownAddrs() {
		if !a.IsLinkLocalUnicast() {
			out = append(out, a.String())
		}
	}
	if len(out) == 0 {
		return "no address now"
	}
	return strings.Join(out, ", ")
}

// ownAddrs returns the addresses of the interfaces that are up, those that others
// can reach first.
func ownAddrs() []netip.Addr {
	var out []netip.Addr
	ifs, _ := net.Interfaces()
	for _, i := range ifs {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				ip = ip.Unmap()
				if ip.Is6() && ip.IsLinkLocalUnicast() {
					ip = ip.WithZone(i.Name)
				}
				out = append(out, ip)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b netip.Addr) int { return int(scopeOf(a)) - int(scopeOf(b)) })
	return out
}
