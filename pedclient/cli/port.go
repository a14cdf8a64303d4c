package cli

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"openped/internal/bind"
)

// port is the TCP port for PEDservers that call. It is open while there are any
// to expect.
type port struct {
	options bind.Options
	log     *slog.Logger
	serve   func(context.Context, ...net.Listener) error

	mu      sync.Mutex
	ctx     context.Context // of the daemon, once it serves
	set     *bind.Set       // nil: closed
	end     context.CancelFunc
	serving sync.WaitGroup
}

// want opens or closes the port. An error is one of opening it.
func (p *port) want(open bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if open == (p.set != nil) {
		return nil
	}
	if !open {
		p.close()
		return nil
	}
	set, err := bind.Listen(context.Background(), p.options)
	if err != nil {
		return err
	}
	p.set = set
	if p.ctx != nil {
		p.begin()
	}
	return nil
}

// run serves the port, now and when it opens later, until ctx ends.
func (p *port) run(ctx context.Context) {
	p.mu.Lock()
	p.ctx = ctx
	if p.set != nil {
		p.begin()
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.close()
	p.mu.Unlock()
	p.serving.Wait()
}

func (p *port) begin() {
	ctx, end := context.WithCancel(p.ctx)
	p.end = end
	set := p.set
	p.serving.Go(func() {
		if err := p.serve(ctx, set); err != nil {
			p.log.Error("the port for PEDservers is closed", "err", err)
		}
	})
}

// close waits for nothing: links that were made there end by themselves, and the
// status must not wait for that.
func (p *port) close() {
	if p.set == nil {
		return
	}
	if p.end != nil {
		p.end()
	}
	_ = p.set.Close()
	p.set, p.end = nil, nil
}

// addrs returns where it listens, for the status.
func (p *port) addrs() []bind.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		return nil
	}
	return p.set.Addrs()
}
