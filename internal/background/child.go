package background

import (
	"encoding/json"
	"os"
	"sync"
)

// Child is the detached process's side. A nil *Child is a process that runs in
// the foreground; its methods do nothing.
type Child struct {
	once sync.Once
}

// Detached returns the Child if this process was started by Start, else nil.
func Detached() *Child {
	if os.Getenv(env) == "" {
		return nil
	}
	_ = os.Unsetenv(env) // not for what this process starts itself
	ignoreLostParent()
	return new(Child)
}

// Report tells the parent and lets go of its terminal. Only the first call
// counts.
func (c *Child) Report(r Report) {
	if c == nil {
		return
	}
	c.once.Do(func() {
		r.PID = os.Getpid()
		b, err := json.Marshal(r)
		if err == nil {
			_, _ = os.Stdout.Write(append(b, '\n'))
		}
		letGo()
	})
}
