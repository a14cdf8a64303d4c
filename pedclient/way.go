package pedclient

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"openped/hsm"
	"openped/internal/setting"
	"openped/protocol/hsmapi"
)

// named is what a request says of the way to a PED.
type named struct {
	id        int
	hasID     bool
	pedserver string
	host      string
	port      int // 0: none
	tls       bool
}

func (c *call) named() (n named, err error) {
	if v, ok := c.in.U32(hsmapi.TagPEDID); ok {
		if v < 1 || v > MaxPEDID {
			return n, badArgument("PED ID %d is outside 1 to %d; 0 stands for a PED at the HSM itself", v, MaxPEDID)
		}
		n.id, n.hasID = int(v), true
	}
	if v, ok := c.in.U32(hsmapi.TagPort); ok {
		if v < 1 || v > 65535 {
			return n, badArgument("port %d is outside 1 to 65535", v)
		}
		n.port = int(v)
	}
	n.pedserver, _ = c.in.Text(hsmapi.TagPEDServer)
	n.tls = c.in.Bool(hsmapi.TagTLS)
	if n.host, _ = c.in.Text(hsmapi.TagHost); n.host != "" {
		if err := setting.CheckHost(n.host); err != nil {
			return n, badArgument("%v", err)
		}
	}
	return n, nil
}

// way finds how to get to a PED: by what the request names; else by the PED ID
// that is assigned to this HSM; else by what `ped set` stored; else by the only
// PEDserver that has called.
func (c *call) way() (w way, err error) {
	n, err := c.named()
	if err != nil {
		return w, err
	}
	w, err = c.choose(n)
	if err != nil {
		return w, err
	}
	if n.port != 0 {
		if w.parked {
			return w, badArgument("-port is of no use: PEDserver %s has called by itself", w.PEDServer)
		}
		w.Port = n.port
	}
	if n.pedserver != "" {
		w.PEDServer = n.pedserver
	}
	w.TLS = w.TLS || n.tls || w.PEDServer != ""
	return w, nil
}

func (c *call) choose(n named) (way, error) {
	s := c.slot
	switch {
	case n.hasID && n.host != "":
		return way{}, badArgument("-id and -ip name two PEDservers: give one of them")
	case n.hasID:
		p, ok := s.client.ids().Lookup(n.id)
		if !ok {
			return way{}, &hsmapi.Error{Code: hsmapi.CKR_ARGUMENTS_BAD, Msg: fmt.Sprintf("there is no PED ID %d", n.id), Hint: "`pedclient -mode listid` lists them, `pedclient -mode setid` makes one"}
		}
		if serial := s.hsm.Info().Serial; p.HSMSerial != "" && p.HSMSerial != serial {
			return way{}, &hsmapi.Error{Code: hsmapi.CKR_ARGUMENTS_BAD, Msg: fmt.Sprintf("PED ID %d is assigned to HSM %s", n.id, p.HSMSerial),
				Hint: fmt.Sprintf("use the one of this HSM, or release it with `pedclient -mode releaseid -id %d`", n.id)}
		}
		return way{Target: p.Target(), id: p.ID}, nil
	case n.host != "":
		return way{Target: Target{Host: n.host, Port: DefaultPort}}, nil
	case n.pedserver != "":
		if err := s.client.net.secure.known(n.pedserver); err != nil {
			return way{}, err
		}
		return way{Target: Target{PEDServer: n.pedserver}, parked: true}, nil
	}
	if p, ok := s.client.ids().Assigned(s.hsm.Info().Serial); ok {
		return way{Target: p.Target(), id: p.ID}, nil
	}
	if t := s.settings.get(); t.Host != "" {
		return way{Target: t}, nil
	}
	switch called := s.client.hub.all(); len(called) {
	case 0:
		return way{}, s.client.nowhere()
	case 1:
		return way{Target: Target{PEDServer: called[0].peer}, parked: true}, nil
	default:
		var names []string
		for _, l := range called {
			names = append(names, l.peer)
		}
		return way{}, &hsmapi.Error{Code: hsmapi.CKR_ARGUMENTS_BAD, Msg: "several PEDservers have called: " + strings.Join(names, ", "), Hint: "choose one with -pedserver <name>"}
	}
}

// nowhere says that there is no PEDserver to go to.
func (c *Client) nowhere() error {
	e := &hsmapi.Error{Code: hsmapi.CKR_ARGUMENTS_BAD, Msg: "no PEDserver named, and none is stored for this slot",
		Hint: "give -ip <address>, or store one with `ped set -ip <address>`"}
	if len(c.net.secure.registry().Peers()) > 0 {
		e.Msg += "; no registered one has called"
		e.Hint += ", or run `pedserver -mode connect -name <this host>` there"
	}
	return e
}

// pedSet stores what `ped connect` uses when nothing is named.
func (c *call) pedSet() (hsmapi.Fields, error) {
	n, err := c.named()
	if err != nil {
		return nil, err
	}
	old := c.slot.settings.get()
	t := Target{Host: n.host, Port: DefaultPort, TLS: n.tls}
	switch {
	case n.hasID || n.pedserver != "":
		return nil, badArgument("an address can be stored, not a PED ID or a name: assign the ID with `pedclient -mode assignid`")
	case n.host == "" && n.port == 0 && !n.tls:
		return nil, badArgument("neither an address nor a port was given")
	case n.host == "" && old.Host == "":
		return nil, badArgument("a port without an address")
	case n.host == "":
		t = old
		t.TLS = old.TLS || n.tls
	}
	if n.port != 0 {
		t.Port = n.port
	}
	if err := c.slot.settings.set(t); err != nil {
		return nil, &hsm.Error{Code: hsmapi.CKR_DEVICE_ERROR, Msg: "the default could not be stored" + reason(err), Hint: "check the disk and the permissions next to the HSM's state file", Err: err}
	}
	return nil, nil
}

// reason is what the system says of a failure, to be put after it.
func reason(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return ": " + errno.Error()
	}
	return ""
}
