package cli

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"openped/internal/bind"
	"openped/pedserver"
)

// listening is where HSM hosts call, and what is known of how well they can. A nil
// one is nowhere.
type listening struct {
	*bind.Set

	mu    sync.Mutex
	reach []bind.Reach
	asked time.Time // when reach was asked for last
}

// reachAge is how old an answer about the own addresses may be.
const reachAge = 5 * time.Second

// places are the addresses that it listens on.
func (l *listening) places() []string {
	places := []string{} // in JSON: not null
	if l == nil {
		return places
	}
	for _, a := range l.Addrs() {
		if a.State == bind.Listening {
			places = append(places, a.Address)
		}
	}
	return places
}

// tell fills in a status. It waits for nothing: the answer about the own addresses
// is the last one.
func (l *listening) tell(st *pedserver.Status) {
	st.Listening = l.places()
	if l == nil {
		return
	}
	st.IP, st.Port = "0.0.0.0", l.Port()
	addrs := l.Addrs()
	for _, a := range addrs {
		ap, err := netip.ParseAddrPort(a.Address)
		st.External = st.External || err == nil && !ap.Addr().IsLoopback()
		if len(addrs) == 1 {
			st.IP = ap.Addr().String()
		}
	}
	st.Reachability = worthSaying(addrs, l.reachable())
}

// reachable returns the last answer, and asks again if that is old.
func (l *listening) reachable() []bind.Reach {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.asked) > reachAge {
		l.asked = time.Now()
		go func() {
			r := l.Reachable(context.Background())
			l.mu.Lock()
			defer l.mu.Unlock()
			l.reach = r
		}()
	}
	return l.reach
}

// worthSaying describes the addresses when there is a choice to make, or something
// wrong.
func worthSaying(addrs []bind.Addr, reach []bind.Reach) (lines []string) {
	answer := map[string]bind.Reach{}
	for _, r := range reach {
		answer[r.Address] = r
	}
	others, wrong := 0, false
	for _, a := range addrs {
		r, asked := answer[a.Address]
		line := fmt.Sprintf("%s (%s)", a.Address, a.Scope)
		switch {
		case a.Problem != "":
			line += ": " + a.Problem
			wrong = true
		case asked && !r.OK:
			line += ": " + r.Problem
			wrong = true
		case a.Scope == "loopback":
			continue
		}
		others++
		lines = append(lines, line)
	}
	if others < 2 && !wrong {
		return nil
	}
	return lines
}
