//go:build unix

package daemon

import (
	"os"
	"os/signal"
	"syscall"
)

// onHangup calls f at each SIGHUP until stop.
func onHangup(f func()) (stop func()) {
	got, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(got, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-got:
				f()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(got)
		close(done)
	}
}
