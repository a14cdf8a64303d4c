package service

import (
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Detect returns the Self of a process that systemd runs as a service that talks
// to it, else nil.
func Detect(string) *Self {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	patience, _ := daemon.SdWatchdogEnabled(false)
	return &Self{
		within: patience,
		beat:   func() { _, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog) },
		tell: func(e event, status string) {
			words := []string{"STATUS=" + oneLine(status)}
			switch e {
			case isReady:
				words = append(words, daemon.SdNotifyReady)
			case isStopping:
				words = append(words, daemon.SdNotifyStopping)
			}
			_, _ = daemon.SdNotify(false, strings.Join(words, "\n"))
		},
	}
}

// oneLine keeps a status from being more than that.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }
