package pedclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"openped/certs/linkid"
	"openped/hsm"
	"openped/protocol/hsmapi"
)

// hub holds the links that PEDservers make, one for each by the name that it is
// registered under. They wait there, parked, until a slot asks for the PED.
type hub struct {
	mu    sync.Mutex
	lines map[string]*line // by the name in small letters
	more  chan struct{}    // closed when a line comes
}

func newHub() *hub { return &hub{lines: map[string]*line{}, more: make(chan struct{})} }

// put adds a line. The one before of the same PEDserver has ended, even if
// nobody has noticed yet: its PEDserver calls again only then.
func (h *hub) put(l *line) {
	name := strings.ToLower(l.peer)
	h.mu.Lock()
	old := h.lines[name]
	h.lines[name] = l
	close(h.more)
	h.more = make(chan struct{})
	h.mu.Unlock()
	if old != nil {
		old.end(unplugged("PEDserver "+l.peer+" has made a new connection", hintConnect, lost{errReplaced}))
	}
	go func() {
		<-l.done
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.lines[name] == l {
			delete(h.lines, name)
		}
	}()
}

var errReplaced = errors.New("replaced by a newer connection")

// get returns the live line of a PEDserver, or nil.
func (h *hub) get(name string) *line {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.live(name)
}

func (h *hub) live(name string) *line {
	if l := h.lines[strings.ToLower(name)]; l != nil && l.Cause() == nil {
		return l
	}
	return nil
}

// await waits until a PEDserver has a live line, or returns nil when ctx ends.
func (h *hub) await(ctx context.Context, name string) *line {
	for {
		h.mu.Lock()
		l, more := h.live(name), h.more
		h.mu.Unlock()
		if l != nil {
			return l
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil
		}
	}
}

// all returns the live lines by name.
func (h *hub) all() []*line {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*line
	for name := range h.lines {
		if l := h.live(name); l != nil {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b *line) int { return strings.Compare(a.peer, b.peer) })
	return out
}

// acquire gets the PED of a PEDserver that has made a link.
func (h *hub) acquire(ctx context.Context, name, serial string) (*hold, error) {
	l := h.get(name)
	if l == nil {
		return nil, unplugged("PEDserver "+name+" is not connected", "run `pedserver -mode connect -name <this host>` on its workstation, or give its address with -ip", nil)
	}
	ctx, cancel := limited(ctx, l.clock.get().Dial)
	defer cancel()
	return l.acquire(ctx, serial)
}

// recheck ends the line if its PEDserver is not registered any more, or with
// another certificate.
func (l *line) recheck(reg *linkid.Registry) {
	if l.tls == nil {
		return
	}
	if err := l.tls.Recheck(reg); err != nil {
		l.end(&hsm.Error{Code: hsmapi.CKR_PEDSERVER_UNTRUSTED, Msg: fmt.Sprintf("PEDserver %s is not registered here any more as it was", l.peer),
			Hint: hintList + "; " + hintRegister, Err: err})
	}
}
