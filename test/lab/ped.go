package lab

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Screen is one state of the PED's display.
type Screen struct {
	ID    string
	Lines []string // 8 of 20 characters
}

// Text is the screen's words in one line, without the last row.
func (s Screen) Text() string {
	var words []string
	for _, l := range s.Lines[:max(len(s.Lines)-1, 0)] {
		if l = strings.TrimSpace(l); l != "" {
			words = append(words, l)
		}
	}
	return strings.Join(words, " / ")
}

// PED drives softped by its script face: it hears every screen and presses keys.
type PED struct {
	*Process
	replies chan string

	mu      sync.Mutex
	partial *Screen
	screens []Screen
	taken   int           // screens before it have been looked at
	news    chan struct{} // closed and replaced with each screen
}

// StartPED starts softped with args, and a script face that echoes screens.
func StartPED(s *Stage, args ...string) (*PED, error) {
	p := newPED()
	var err error
	p.Process, err = s.Start("softped", p.line, "softped", append(args, "-face", "script", "-echo")...)
	return p, err
}

func newPED() *PED { return &PED{replies: make(chan string, 16), news: make(chan struct{})} }

// line takes one line of softped's output.
func (p *PED) line(l string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case strings.HasPrefix(l, "ok"), strings.HasPrefix(l, "err"):
		select {
		case p.replies <- l:
		default:
		}
	case strings.HasPrefix(l, "screen "):
		p.partial = &Screen{ID: strings.TrimSpace(strings.TrimPrefix(l, "screen "))}
	case strings.HasPrefix(l, "|") && p.partial != nil:
		p.partial.Lines = append(p.partial.Lines, strings.TrimSuffix(strings.TrimPrefix(l, "|"), "|"))
		if len(p.partial.Lines) == 8 {
			p.screens = append(p.screens, *p.partial)
			p.partial = nil
			close(p.news)
			p.news = make(chan struct{})
		}
	}
}

// Do gives softped one command of the script face and waits for its answer.
func (p *PED) Do(command string) error {
	if err := p.Type(command); err != nil {
		return err
	}
	select {
	case r := <-p.replies:
		if strings.HasPrefix(r, "err") {
			return fmt.Errorf("softped: %s: %s", strings.Fields(command)[0], strings.TrimSpace(strings.TrimPrefix(r, "err")))
		}
		return nil
	case <-p.done:
		return fmt.Errorf("softped ended: %s", p.LastWords())
	case <-time.After(10 * time.Second):
		return fmt.Errorf("softped: no answer to %q within 10 s", strings.Fields(command)[0])
	}
}

// Press presses keys of the keypad: 0-9 < > Y N E (ENTER) C R (CLEAR held).
func (p *PED) Press(keys string) error { return p.Do("press " + keys) }

// Insert puts a PED key into the port, in place of the one inside.
func (p *PED) Insert(key string) error { return p.Do("insert " + key) }

// Mode chooses a mode, as in the menu: remote, local or pair.
func (p *PED) Mode(mode string) error { return p.Do("mode " + mode) }

// Wait takes the next screen with one of the ids, skipping others.
func (p *PED) Wait(d time.Duration, ids ...string) (Screen, error) {
	timeout := time.After(d)
	for {
		s, news, ok := p.take()
		if ok {
			if slices.Contains(ids, s.ID) {
				return s, nil
			}
			continue
		}
		select {
		case <-news:
		case <-p.done:
			return Screen{}, fmt.Errorf("softped ended: %s", p.LastWords())
		case <-timeout:
			return Screen{}, fmt.Errorf("the PED did not show %s within %v; it shows %s", strings.Join(ids, " or "), d, p.Now().ID)
		}
	}
}

// take takes the next screen that nobody has looked at, or returns what to wait
// on for one.
func (p *PED) take() (s Screen, news <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == len(p.screens) {
		return Screen{}, p.news, false
	}
	p.taken++
	return p.screens[p.taken-1], nil, true
}

// skip takes all screens shown so far.
func (p *PED) skip() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = len(p.screens)
}

// Now is the newest screen; its ID is "nothing" when there was none yet.
func (p *PED) Now() Screen {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.screens) == 0 {
		return Screen{ID: "nothing"}
	}
	return p.screens[len(p.screens)-1]
}

// Mark returns a position in the screens, for Since.
func (p *PED) Mark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.screens)
}

// Since returns the screens shown after mark.
func (p *PED) Since(mark int) []Screen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.screens[mark:])
}
