package guest

import (
	"testing"
	"time"

	"openped/test/lab"
)

// slowly holds every packet of a bulk transfer up.
func slowly(each time.Duration) func(transfer) ([]byte, bool) {
	return func(x transfer) ([]byte, bool) {
		if x.bulkOut() || x.bulkIn() {
			time.Sleep(time.Duration(x.packets) * each)
		}
		return x.data, true
	}
}

// F-11: a PED that is slow on its cable is overrun, and logins fail now and then,
// until somebody finds the right -pedwritedelay. Here the PED grants what it can
// take: with no delay, at 10 ms for every packet, everything works.
func TestF11_SlowPEDWithNoDelay(t *testing.T) {
	r := newRelay(t)
	l := begin(t, r, lab.Options{})
	r.set(slowly(10 * time.Millisecond))
	connect(t, l)
	logInAndOut(t, l)
	unharmed(t, l)
}
