package guest

import (
	"testing"
	"time"

	"openped/test/lab"
)

func TestSocketTiming(t *testing.T) {
	t0 := time.Now()
	from := lab.Prepared(t, 1)
	t.Log("prepared", time.Since(t0))
	t0 = time.Now()
	l := lab.Start(t, lab.Options{From: from})
	t.Log("started", time.Since(t0))
	t0 = time.Now()
	l.Must(l.Connect(), lab.Everybody())
	t.Log("connected", time.Since(t0))
	t0 = time.Now()
	l.Must("role login -name so", lab.Everybody())
	t.Log("login", time.Since(t0))
}
