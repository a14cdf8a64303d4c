package usbped

import (
	"context"
	"time"

	"openped/protocol"
)

// MaxWriteDelay is the longest pause of use: with it the longest frame takes
// 1.5 s.
const MaxWriteDelay = 10 * time.Millisecond

// Info is what a PED says of itself. Nothing in it is authenticated: the serial
// to trust is the one inside the channel.
type Info struct {
	Serial   string // printable ASCII, ≤ 32 bytes
	Firmware string // printable ASCII, ≤ 16 bytes
	Product  string // printable ASCII, ≤ 32 bytes
	Software bool   // a PED in software
}

// Message is one thing a PED sent: Frame or Event is set.
type Message struct {
	Frame []byte             // one frame of the channel, 1–65700 bytes
	Event *protocol.PEDEvent // what the PED tells its host
	// Dialogue counts the Cancels that were answered before this arrived.
	Dialogue uint32
}

// Device is one PED, opened. Its methods may be called from several goroutines.
// Once the PED is gone every method says so with an error wrapping ErrUnplugged,
// and only Close is of use; after Close the error is ErrClosed. A context's end
// is returned as its error.
type Device interface {
	// Info returns what the PED said of itself when it was opened.
	Info() Info
	// Send sends one frame of the channel. A PED that is slow makes it wait. If
	// the context ends while bytes are on their way, the device is of no more
	// use; if it ends between two segments, the next thing to do is Cancel.
	Send(ctx context.Context, frame []byte) error
	// Recv waits for what the PED sends next. What arrived before the PED went
	// is still delivered. The first message is an event with the PED's state.
	Recv(ctx context.Context) (Message, error)
	// Cancel makes the PED drop its channel and abort whatever dialogue runs, and
	// returns when it has: no frame that was sent before arrives at either end
	// any more, but for one that another goroutine is just getting from Recv. If the context ends earlier, or the PED takes longer than
	// CancelTimeout, the device is of no more use. A Send at the same time, or
	// one of whose frame half was sent, is ErrAborted.
	Cancel(ctx context.Context) error
	// Ping finds out whether the PED is there: it counts as unplugged without an
	// answer in PongTimeout. Nobody but the caller pings.
	Ping(ctx context.Context) error
	// SetWriteDelay makes a pause between every 512 bytes that go to the PED, for
	// one that is too slow; 0, as at first, is none. It may be changed any time.
	SetWriteDelay(d time.Duration)
	// Close gives the PED up. It may be called more than once.
	Close() error
}

// Opener gets at a PED. Open may be called again after the device is gone.
type Opener interface {
	// Open opens the PED in bounded time. The error wraps one of ErrNoDevice,
	// ErrNoAccess, ErrInUse, ErrNotPED, ErrUnplugged, or the context's error.
	Open(ctx context.Context) (Device, error)
	// String names the device as a command line would, as in "unix:/run/ped".
	String() string
}
