package hsm_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// F-07, F-08: the HSM's side has no cap in total either. A keyset of 16 of 16 is
// made, and logs in, by people who need far more than 600 s, and far more than an
// hour with the orange keys before that. To take the remedy out: give receive a context
// of 600 s.
func TestF07SixteenOfSixteen(t *testing.T) {
	const n, each = 16, 12 * time.Minute
	all := hsmtest.Choice{M: n, N: n}
	var blue, orange []hsmtest.Insert
	for i := range n {
		blue = append(blue, hsmtest.Insert{Key: fmt.Sprint("b", i), PIN: "1111"})
		orange = append(orange, hsmtest.Insert{Key: fmt.Sprint("o", i), PIN: "2222"})
	}
	synctest.Test(t, func(t *testing.T) {
		h := hsmtest.NewHSM(t, "1234567", "")
		p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
		p.Pair = true
		p.Type("12345678")
		h.MustConnect(p, "12345678")
		slowly := func(what string, keys []hsmtest.Insert, f func() error) {
			t.Helper()
			begin, stop := time.Now(), make(chan struct{})
			go func() {
				defer close(stop)
				for _, k := range keys {
					time.Sleep(each)
					p.Insert(k)
				}
			}()
			err := f()
			<-stop
			want(t, err, hsmapi.CKR_OK)
			if d := time.Since(begin); d < time.Duration(len(keys))*each || d <= 600*time.Second {
				t.Errorf("%s took %v: the test is too fast to show anything", what, d)
			}
		}
		p.Choose(all)
		slowly("ped vector init", orange, func() error { return h.Slot.InitRPV(t.Context(), nil, nil) })
		p.Choose(all, hsmtest.Choice{M: 1, N: 1})
		slowly("hsm init", append(append(orange[:n:n], blue...), red...), func() error {
			return h.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "long"}, nil)
		})
		slowly("role login", blue, func() error {
			g, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
			if err == nil && !g.Valid() {
				t.Error("no login")
			}
			return err
		})
		if f := failures(h); f != 0 {
			t.Errorf("%d failures counted", f)
		}
		h.Kill()
	})
}
