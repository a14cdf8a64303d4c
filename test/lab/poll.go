package lab

import (
	"fmt"
	"time"
)

// pollLimit is how long something that takes no person may take.
const pollLimit = 15 * time.Second

// Poll waits until ok returns nil, at most limit (0: 15 s), else fails the test
// with its last error.
func (l *Lab) Poll(limit time.Duration, what string, ok func() error) {
	l.T.Helper()
	if err := Poll(limit, what, ok); err != nil {
		l.T.Fatal(err)
	}
}

// Poll waits until ok returns nil, at most limit (0: 15 s).
func Poll(limit time.Duration, what string, ok func() error) error {
	if limit == 0 {
		limit = pollLimit
	}
	deadline := time.Now().Add(limit)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := ok()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %v: %w", what, limit, err)
		}
		time.Sleep(pause)
	}
}
