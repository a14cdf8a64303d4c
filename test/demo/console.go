package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

// console drives one hsmcm prompt: a login belongs to its connection, so all
// steps of the demo go through the same one.
type console struct {
	proc *process

	mu    sync.Mutex
	lines []string
	shown int // lines before it have been printed
	news  chan struct{}
}

func startConsole(s *stage) (*console, error) {
	c := &console{news: make(chan struct{})}
	var err error
	c.proc, err = s.start("hsmcm", c.line, "hsmcm")
	return c, err
}

func (c *console) line(l string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.TrimSpace(l) == "" || l == "hsmcm:>" {
		return
	}
	c.lines = append(c.lines, l)
	close(c.news)
	c.news = make(chan struct{})
}

// send types a command at the prompt and returns the mark of its output.
func (c *console) send(command string) (int, error) {
	c.mu.Lock()
	mark := len(c.lines)
	c.mu.Unlock()
	if _, err := io.WriteString(c.proc.stdin, command+"\n"); err != nil {
		return 0, fmt.Errorf("hsmcm: %w: %s", err, c.proc.lastWords())
	}
	return mark, nil
}

// wait returns the first submatch (or match) of re in the lines after mark.
func (c *console) wait(d time.Duration, mark int, re *regexp.Regexp) (string, error) {
	timeout := time.After(d)
	for {
		c.mu.Lock()
		for _, l := range c.lines[mark:] {
			if m := re.FindStringSubmatch(l); m != nil {
				c.mu.Unlock()
				return m[len(m)-1], nil
			}
		}
		news := c.news
		c.mu.Unlock()
		select {
		case <-news:
		case <-c.proc.done:
			return "", fmt.Errorf("hsmcm ended: %s", c.proc.lastWords())
		case <-timeout:
			return "", fmt.Errorf("the console did not print %q within %v", re, d)
		}
	}
}

// since returns the lines after mark.
func (c *console) since(mark int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lines[mark:], "\n")
}

// unshown returns the lines that have not been printed yet, and counts them as
// printed.
func (c *console) unshown() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[c.shown:]
	c.shown = len(c.lines)
	return l
}

// result is the line every command ends with.
var result = regexp.MustCompile(`(?m)^Command Result : (.*)$`)

// password is the line with a one-time password.
var password = regexp.MustCompile(`enter following password: ([0-9]{8})`)
