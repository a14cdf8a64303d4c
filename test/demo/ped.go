package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// screen is one state of the PED's display.
type screen struct {
	id    string
	lines []string // 8 of 20 characters
}

// text is what the screen asks, in one line: without the HSM's serial above and
// the time left below.
func (s screen) text() string {
	var words []string
	for _, l := range s.lines[min(1, len(s.lines)):max(len(s.lines)-1, 0)] {
		if l = strings.TrimSpace(l); l != "" {
			words = append(words, l)
		}
	}
	return strings.Join(words, " ")
}

// ped drives softped's script face: it hears every screen and presses keys.
type ped struct {
	proc    *process
	replies chan string

	mu       sync.Mutex
	partial  *screen
	screens  []screen
	consumed int           // screens before it have been looked at
	news     chan struct{} // closed and replaced with each screen
}

func startPED(s *stage, args ...string) (*ped, error) {
	p := &ped{replies: make(chan string, 16), news: make(chan struct{})}
	var err error
	p.proc, err = s.start("softped", p.line, "softped", append(args, "-face", "script", "-echo")...)
	return p, err
}

// line takes one line of softped's output.
func (p *ped) line(l string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case strings.HasPrefix(l, "ok"), strings.HasPrefix(l, "err"):
		select {
		case p.replies <- l:
		default:
		}
	case strings.HasPrefix(l, "screen "):
		p.partial = &screen{id: strings.TrimSpace(strings.TrimPrefix(l, "screen "))}
	case strings.HasPrefix(l, "|") && p.partial != nil:
		p.partial.lines = append(p.partial.lines, strings.TrimSuffix(strings.TrimPrefix(l, "|"), "|"))
		if len(p.partial.lines) == 8 {
			p.screens = append(p.screens, *p.partial)
			p.partial = nil
			close(p.news)
			p.news = make(chan struct{})
		}
	}
}

// do gives softped one command and waits for its answer.
func (p *ped) do(command string) error {
	if _, err := io.WriteString(p.proc.stdin, command+"\n"); err != nil {
		return fmt.Errorf("softped: %w: %s", err, p.proc.lastWords())
	}
	select {
	case r := <-p.replies:
		if strings.HasPrefix(r, "err") {
			return fmt.Errorf("softped: %s: %s", strings.Fields(command)[0], strings.TrimSpace(strings.TrimPrefix(r, "err")))
		}
		return nil
	case <-p.proc.done:
		return fmt.Errorf("softped ended: %s", p.proc.lastWords())
	case <-time.After(10 * time.Second):
		return fmt.Errorf("softped: no answer to %q within 10 s", strings.Fields(command)[0])
	}
}

// wait returns the next screen with one of the ids, skipping others.
func (p *ped) wait(d time.Duration, ids ...string) (screen, error) {
	timeout := time.After(d)
	for {
		p.mu.Lock()
		for p.consumed < len(p.screens) {
			s := p.screens[p.consumed]
			p.consumed++
			if slices.Contains(ids, s.id) {
				p.mu.Unlock()
				return s, nil
			}
		}
		news := p.news
		p.mu.Unlock()
		select {
		case <-news:
		case <-p.proc.done:
			return screen{}, fmt.Errorf("softped ended: %s", p.proc.lastWords())
		case <-timeout:
			return screen{}, fmt.Errorf("the PED did not show %s within %v; it shows %s", strings.Join(ids, " or "), d, p.now().id)
		}
	}
}

// now is the newest screen.
func (p *ped) now() screen {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.screens) == 0 {
		return screen{id: "nothing"}
	}
	return p.screens[len(p.screens)-1]
}

// mark returns a position in the screens; since returns the ids shown after it.
func (p *ped) mark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.screens)
}

// waited returns the position after the screen that was waited for last.
func (p *ped) waited() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.consumed
}

func (p *ped) since(mark int) []screen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.screens[mark:])
}
