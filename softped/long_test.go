package softped

import (
	"fmt"
	"testing"
	"time"

	"openped/protocol"
)

// almost is a little less than the time for one action.
const almost = DefaultActionTime - time.Second

// F-07, F-08: nothing caps an operation in total. Sixteen people, each of whom
// takes nearly all the time there is for each step of his, are served, hours
// later; one who takes more than that for a single step is not. To take the
// remedy out: make the timer of dialog.key once per operation.
func TestF07SixteenOfSixteen(t *testing.T) {
	const n = 16
	slow := func(b *bench, keys string) {
		for _, k := range keys {
			time.Sleep(almost)
			b.press(string(k))
		}
	}
	inBubble(t, func(t *testing.T, b *bench) {
		for i := range uint8(n) {
			b.make(fmt.Sprint("blue", i+1), protocol.KeySO, setA, i+1, n, n, "1234", false)
		}
		begin := time.Now()
		b.start(authSO)
		for i := range uint8(n) {
			time.Sleep(almost)
			b.insert(fmt.Sprint("blue", i+1))
			slow(b, "E")
			get[*protocol.KeyPresented](b)
			b.send(use(protocol.UseCurrent, protocol.ReasonNone)).at("login.pin")
			slow(b, "1234E")
			b.wantShare(protocol.OpAuthenticate, setA, i+1)
			if i+1 < n {
				b.send(result(protocol.ShareMore, i+1, n)).at("login.insert-another")
			}
		}
		b.send(result(protocol.ShareDone, n, n)).overOK()
		if d := time.Since(begin); d < 6*time.Hour {
			t.Errorf("took %v: the test is too fast to show anything", d)
		}
		// One step, and only that, has a limit.
		b.start(authSO)
		b.at("login.insert")
		time.Sleep(almost)
		b.insert("blue1").at("login.insert")
		time.Sleep(DefaultActionTime)
		b.stopped(protocol.CancelTimeout)
	})
}
