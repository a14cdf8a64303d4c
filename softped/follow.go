package softped

import (
	"context"
	"fmt"
	"strings"
)

// Follower waits for screens, one after the other, without missing one. It is
// what scripts and tests drive a PED with. It is not for several goroutines.
type Follower struct {
	ui  *ui
	seq uint64 // of the last screen taken
}

// Follow returns a Follower that has not taken the screen shown now.
func (p *PED) Follow() *Follower {
	return &Follower{ui: p.ui, seq: p.ui.screen().Seq - 1}
}

// passing reports whether a screen may be gone before anybody can act on it, so
// that it counts as seen afterwards.
func passing(id string) bool {
	switch id {
	case "remote.ready", "session.compute", "create.writing", "notice.done", "notice.failed", "notice.timeout", "idle":
		return true
	}
	return false
}

// Wait waits for a screen with one of the ids and takes it: a later Wait for the
// same id waits for the screen to be shown again. A screen that asks for
// something must still be shown; one that only tells may have passed since the
// last screen taken. The error names the screen that is shown instead.
func (f *Follower) Wait(ctx context.Context, ids ...string) (Screen, error) {
	for {
		list, more := f.ui.since(f.seq)
		for i, s := range list {
			for _, id := range ids {
				if s.ID == id && (i == len(list)-1 || passing(id)) {
					f.seq = s.Seq
					return s, nil
				}
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			s := f.ui.screen()
			return s, fmt.Errorf("screen %s did not come: %w; the PED shows %s", strings.Join(ids, " or "), ctx.Err(), s.ID)
		}
	}
}

// Next waits for the next screen, whatever it is, and takes it.
func (f *Follower) Next(ctx context.Context) (Screen, error) {
	for {
		list, more := f.ui.since(f.seq)
		if len(list) > 0 {
			f.seq = list[0].Seq
			return list[0], nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Screen{}, ctx.Err()
		}
	}
}
