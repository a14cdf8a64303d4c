//go:build race

package channel_test

func init() { raceEnabled = true }
