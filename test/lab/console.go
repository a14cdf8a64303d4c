package lab

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Console drives one hsmcm prompt: a login belongs to its connection, so what
// needs a login goes through the same one.
type Console struct {
	*Process

	mu    sync.Mutex
	lines []string
	shown int // lines before it have been returned by Rest
	news  chan struct{}
}

// StartConsole starts hsmcm's prompt over a pipe.
func StartConsole(s *Stage, args ...string) (*Console, error) {
	c := &Console{news: make(chan struct{})}
	var err error
	c.Process, err = s.Start("hsmcm", c.line, "hsmcm", args...)
	return c, err
}

func (c *Console) line(l string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.TrimSpace(l) == "" || l == "hsmcm:>" {
		return
	}
	c.lines = append(c.lines, l)
	close(c.news)
	c.news = make(chan struct{})
}

// Send types a command at the prompt and returns the mark of its output.
func (c *Console) Send(command string) (mark int, err error) {
	c.mu.Lock()
	mark = len(c.lines)
	c.mu.Unlock()
	return mark, c.Type(command)
}

// Find returns the last submatch (or the match) of re in the first line after
// mark that has one, or what to wait on for another line.
func (c *Console) Find(mark int, re *regexp.Regexp) (match string, news <-chan struct{}, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines[mark:] {
		if m := re.FindStringSubmatch(l); m != nil {
			return m[len(m)-1], nil, true
		}
	}
	return "", c.news, false
}

// Wait is Find that waits.
func (c *Console) Wait(d time.Duration, mark int, re *regexp.Regexp) (string, error) {
	timeout := time.After(d)
	for {
		match, news, ok := c.Find(mark, re)
		if ok {
			return match, nil
		}
		select {
		case <-news:
		case <-c.done:
			if match, _, ok := c.Find(mark, re); ok {
				return match, nil
			}
			return "", fmt.Errorf("hsmcm ended: %s", c.LastWords())
		case <-timeout:
			return "", fmt.Errorf("the console did not print %q within %v", re, d)
		}
	}
}

// Since returns the lines after mark.
func (c *Console) Since(mark int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lines[mark:], "\n")
}

// Rest returns the lines that Rest has not returned yet.
func (c *Console) Rest() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[c.shown:]
	c.shown = len(c.lines)
	return l
}

// Result is the line that every command ends with.
var Result = regexp.MustCompile(`^Command Result : (.*)$`)

// Password is the line with a one-time password.
var Password = regexp.MustCompile(`enter following password: ([0-9]{8})`)

// NoError is the result of a command that was carried out; that of `ped set` is
// Success.
const (
	NoError = "No Error"
	Success = "0 (Success)"
)
