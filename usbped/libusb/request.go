//go:build cgo && !nousb

package libusb

/*
#include <libusb.h>
#include <stdint.h>
#include <stdlib.h>

void openpedTransferDone(struct libusb_transfer *);

static inline void openped_fill(struct libusb_transfer *t, libusb_device_handle *h, unsigned char address,
		unsigned char type, unsigned char *buffer, uintptr_t user) {
	t->dev_handle = h;
	t->endpoint = address;
	t->type = type;
	t->buffer = buffer;
	t->user_data = (void *)user;
	t->callback = (libusb_transfer_cb_fn)openpedTransferDone;
}

static inline uintptr_t openped_user(struct libusb_transfer *t) { return (uintptr_t)t->user_data; }
*/
import "C"

import (
	"context"
	"errors"
	"runtime/cgo"
	"unsafe"

	"github.com/google/gousb"
)

// request is one transfer of libusb's, for one endpoint, used again and again. Who
// waits for one of gousb's can not give up before libusb lets go of it; here that
// is left to end.
type request struct {
	t     *C.struct_libusb_transfer
	buf   []byte // not Go's memory
	self  cgo.Handle
	done  chan struct{} // gets one when libusb lets go of it
	under bool          // submitted, and done not taken
}

var errMemory = errors.New("no memory for a transfer")

func newRequest(h *C.libusb_device_handle, address uint8, kind gousb.TransferType, size int) (*request, error) {
	t, buf := C.libusb_alloc_transfer(0), C.malloc(C.size_t(size))
	if t == nil || buf == nil {
		C.libusb_free_transfer(t)
		C.free(buf)
		return nil, errMemory
	}
	r := &request{t: t, buf: unsafe.Slice((*byte)(buf), size), done: make(chan struct{}, 1)}
	r.self = cgo.NewHandle(r)
	C.openped_fill(t, h, C.uchar(address), C.uchar(kind), (*C.uchar)(buf), C.uintptr_t(r.self))
	return r, nil
}

//export openpedTransferDone
func openpedTransferDone(t *C.struct_libusb_transfer) {
	cgo.Handle(C.openped_user(t)).Value().(*request).done <- struct{}{} // has room for the only one
}

// submit begins to move n bytes, or to wait for as many.
func (r *request) submit(n int) error {
	r.t.length = C.int(n)
	if rc := C.libusb_submit_transfer(r.t); rc != 0 {
		return failed(gousb.Error(rc))
	}
	r.under = true
	return nil
}

// wait returns how many bytes were moved. After the end of the context the transfer
// is still under way.
func (r *request) wait(ctx context.Context) (int, error) {
	select {
	case <-r.done:
	case <-ctx.Done():
		return 0, failCancelled
	}
	r.under = false
	return int(r.t.actual_length), failed(status(r.t.status))
}

func status(s C.enum_libusb_transfer_status) error {
	if s == C.LIBUSB_TRANSFER_COMPLETED {
		return nil
	}
	return gousb.TransferStatus(s)
}

// end waits until libusb lets go of the transfer, and frees it.
func (r *request) end() {
	if r.under {
		C.libusb_cancel_transfer(r.t) // which it says fails when it is over already
		<-r.done
	}
	C.free(unsafe.Pointer(&r.buf[0]))
	C.libusb_free_transfer(r.t)
	r.self.Delete()
}

// inlet is an endpoint that brings something: as long as nothing fails, all of its
// requests wait for it, and come back in order.
type inlet struct {
	waiting []*request
	begun   bool
	err     error // of a submission
}

func newInlet(h *C.libusb_device_handle, address uint8, kind gousb.TransferType, size, count int) (*inlet, error) {
	i := new(inlet)
	for range count {
		r, err := newRequest(h, address, kind, size)
		if err != nil {
			i.end()
			return nil, err
		}
		i.waiting = append(i.waiting, r)
	}
	return i, nil
}

// read returns what one transfer brought. There must be room for all of it.
func (i *inlet) read(ctx context.Context, b []byte) (int, error) {
	if !i.begun {
		i.begun = true
		for _, r := range i.waiting {
			i.submit(r)
		}
	}
	r := i.waiting[0]
	if !r.under {
		return 0, i.err
	}
	n, err := r.wait(ctx)
	if err != nil {
		if !r.under {
			i.err = err
		}
		return 0, err
	}
	copy(b, r.buf[:n])
	i.waiting = append(i.waiting[1:], r)
	i.submit(r)
	return n, nil
}

// submit begins to wait, unless a request before this one could not.
func (i *inlet) submit(r *request) {
	if i.err == nil {
		i.err = r.submit(len(r.buf))
	}
}

func (i *inlet) end() {
	for _, r := range i.waiting {
		r.end()
	}
}

// outlet is an endpoint that takes something, one transfer after the other.
type outlet struct {
	handle  *C.libusb_device_handle
	address uint8
	request *request // with room for the longest so far
}

func (o *outlet) write(ctx context.Context, b []byte) (int, error) {
	if o.request != nil && o.request.under {
		return 0, failCancelled // the write before this one was given up
	}
	if o.request == nil || len(o.request.buf) < len(b) {
		o.end()
		o.request = nil
		var err error
		if o.request, err = newRequest(o.handle, o.address, gousb.TransferTypeBulk, max(len(b), readSize)); err != nil {
			return 0, err
		}
	}
	copy(o.request.buf, b)
	if err := o.request.submit(len(b)); err != nil {
		return 0, err
	}
	return o.request.wait(ctx)
}

func (o *outlet) end() {
	if o.request != nil {
		o.request.end()
	}
}
