package usbped

import (
	"errors"
	"io"
)

// HostPort is a PED's three endpoints as their host has them: claimed, with no
// halt pending. A goroutine may be in Read, one in ReadEvent and one in Write at
// once. There are no time-outs in a port: the framing closes it when something
// takes too long. Every error ends the connection.
type HostPort interface {
	// Read waits for what the next transfer of bulk IN brings, one byte at least.
	// The buffer is a multiple of every packet size.
	Read(p []byte) (int, error)
	// Write sends p in one transfer of bulk OUT.
	Write(p []byte) (int, error)
	// ReadEvent is Read for interrupt IN.
	ReadEvent(p []byte) (int, error)
	// Reset resets the port that the PED is plugged in to, in bounded time. Only
	// Close is of use after it.
	Reset() error
	// Close ends every call under way and gives the PED up, in bounded time. It
	// may be called at any time, and more than once.
	Close() error
}

// GadgetPort is the same cable at the PED's end, from being configured by a host
// until it is unplugged. A goroutine may be in each of Read, Write and
// WriteEvent at once.
type GadgetPort interface {
	// Read waits for what comes on bulk OUT, one byte at least: a packet, or a
	// transfer.
	Read(p []byte) (int, error)
	// Write offers p in one transfer of bulk IN and returns when the host has
	// taken it, however long that takes.
	Write(p []byte) (int, error)
	// WriteEvent is Write for interrupt IN.
	WriteEvent(p []byte) (int, error)
	// Close ends every call under way. It may be called at any time, and more
	// than once.
	Close() error
}

// streamPort is a stream as a cable that has one lane for all.
type streamPort struct{ io.ReadWriteCloser }

func (streamPort) ReadEvent([]byte) (int, error) { return 0, errors.ErrUnsupported }
func (streamPort) Reset() error                  { return errors.ErrUnsupported }

func (p streamPort) WriteEvent(b []byte) (int, error) { return p.Write(b) }
