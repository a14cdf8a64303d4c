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

	mu   sync.Mutex
	ctx  context.Context // of the daemon, once it serves
	set  *bind.Set       // nil: closed
	end  context.CancelFunc
	done chan struct{}
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
	defer p.mu.Unlock()
	if p.set != nil {
		p.close()
	}
}

func (p *port) begin() {
	ctx, end := context.WithCancel(p.ctx)
	set, done := p.set, make(chan struct{})
	p.end, p.done = end, done
	go func() {
		defer close(done)
		if err := p.serve(ctx, set); err != nil {
			p.log.Error("the port for PEDservers is closed", "err", err)
		}
	}()
}

func (p *port) close() {
	if p.end == nil {
		_ = p.set.Close()
	} else {
		p.end()
		<-p.done
	}
	p.set, p.end, p.done = nil, nil, nil
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
