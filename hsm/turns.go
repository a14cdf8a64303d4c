package hsm

import "runtime"

// turns are as many as there are processors. Who computes for a handshake, some
// milliseconds without waiting for anything, takes one: when hundreds of slots
// connect at once, what keeps the links of the others alive would otherwise have
// to wait behind all of them.
var turns = make(chan struct{}, runtime.GOMAXPROCS(0))

func inTurn(compute func()) {
	turns <- struct{}{}
	defer func() { <-turns }()
	compute()
}
