package hsmcm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/protocol/hsmapi"
)

// TestSilence: a pedclient that was stopped is noticed, one that waits for
// people is waited for. Without the silence timer the first case never ends.
func TestSilence(t *testing.T) {
	alive := func(c *hsmapi.Conn, id uint32, n int) {
		for range n {
			time.Sleep(2 * time.Second)
			_ = c.Send(hsmapi.Message{Type: hsmapi.Progress, ID: id, Fields: hsmapi.Fields{}.AddU8(hsmapi.TagEvent, uint8(hsmapi.EventAlive))})
		}
	}
	done := func(c *hsmapi.Conn, id uint32) { _ = c.Send(hsmapi.ResultOf(id, nil, nil)) }
	for name, c := range map[string]struct {
		play  func(c *hsmapi.Conn, id uint32)
		took  time.Duration
		fails bool
	}{
		"stopped at once":  {func(*hsmapi.Conn, uint32) {}, 10 * time.Second, true},
		"stopped later":    {func(c *hsmapi.Conn, id uint32) { alive(c, id, 5) }, 20 * time.Second, true},
		"people are slow":  {func(c *hsmapi.Conn, id uint32) { alive(c, id, 900); done(c, id) }, 1800 * time.Second, false},
		"nobody is waited": {func(c *hsmapi.Conn, id uint32) { done(c, id) }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				go func() {
					conn := hsmapi.NewConn(far)
					m, err := conn.Recv()
					if err != nil {
						return
					}
					c.play(conn, m.ID)
					_, _ = io.Copy(io.Discard, far)
				}()
				var out bytes.Buffer
				s := &session{std: Streams{Out: &out}, sigs: make(chan os.Signal), dial: func() (Conn, error) { return near, nil }}
				begin := time.Now()
				_, err := s.do(context.Background(), hsmapi.SlotList, nil, nil)
				var failed *resultError
				if errors.As(err, &failed) != c.fails || c.fails && !strings.Contains(out.String(), "Pedclient does not answer (nothing for 10s)") {
					t.Errorf("%v: %q", err, out.String())
				}
				if d := time.Since(begin); d != c.took {
					t.Errorf("took %v, want %v", d, c.took)
				}
				s.close()
			})
		})
	}
}
