package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"openped/internal/cmdline"
	"openped/internal/localsock"
	"openped/internal/secret"
	"openped/internal/service"
	"openped/softped"
	"openped/softped/back"
	"openped/softped/face"
)

// Main runs softped and returns its exit code.
func Main(args []string, in *os.File, out, err io.Writer) int {
	return cmdline.Report(err, "softped", run(args, streams{in, out, err}))
}

// streams are the standard ones.
type streams struct {
	in       *os.File
	out, err io.Writer
}

// errHelp: the help was asked for and printed.
var errHelp = errors.New("help")

func run(args []string, std streams) error {
	if isService(args) {
		return runService(args, std.out)
	}
	self := service.Detect("")
	ready := false
	err := play(args, std, self, func() {
		ready = true
		self.Ready("")
	})
	if errors.Is(err, errHelp) {
		return nil
	}
	switch {
	case err == nil:
	case ready:
		self.Ended(err.Error())
	default:
		self.Failed(err.Error())
	}
	return err
}

// play is softped from its start to its end. ready is called when hosts can plug
// the PED in.
func play(args []string, std streams, self *service.Self, ready func()) error {
	o, err := parse(args, std.out)
	if err != nil {
		return err
	}
	dumps := secret.DisableDumps()
	// Signals are taken until the end: one that comes while things are put away
	// must not stop that half-way.
	signals, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	ctx, stop := context.WithCancel(signals)
	defer stop()

	log, closeLog := o.log(std.err)
	defer closeLog()
	if dumps != nil {
		log.Warn("core dumps could not be switched off", "error", dumps)
	}
	unlock, err := o.lockState()
	if err != nil {
		return err
	}
	defer unlock()
	ped, err := o.build(log)
	if err != nil {
		return err
	}
	host, err := o.plugIn(ped, log)
	if err != nil {
		return err
	}
	defer host.close()
	var control *back.Listener
	if o.control != "" {
		if control, err = listen(o.control, localsock.Access{}, "-control"); err != nil {
			return err
		}
		defer control.Close()
	}
	defer ped.Remove() // other PEDs may have the key then
	o.banner(std.err, ped.Info())
	defer context.AfterFunc(ctx, self.Stopping)()
	go self.Watch(ctx, func() error { ped.Screen(); ped.Mode(); return nil })
	ready()
	return serve(ctx, stop, o, std, ped, host, control)
}

// hostEnd is where hosts get at the PED.
type hostEnd struct {
	serve func(context.Context) error
	cable face.Cable // nil: there is none to pull
	close func()
}

// plugIn opens the socket, or plugs the USB cable in.
func (o *options) plugIn(ped *softped.PED, log *slog.Logger) (*hostEnd, error) {
	if o.usb.any() {
		return o.usb.plugIn(ped, log)
	}
	access, err := o.access()
	if err != nil {
		return nil, err
	}
	l, err := listen(o.listen, access, "-listen")
	if err != nil {
		return nil, err
	}
	return &hostEnd{serve: func(ctx context.Context) error { return l.ServePED(ctx, ped) }, close: func() { l.Close() }}, nil
}

// serve runs until a signal, the face's end, or the loss of a socket.
func serve(ctx context.Context, stop func(), o *options, std streams, ped *softped.PED, host *hostEnd, control *back.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	failed := make(chan error, 3)
	run := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				failed <- err
				stop()
			}
		})
	}
	run(func() error { return host.serve(ctx) })
	if control != nil {
		run(func() error { return control.ServeControl(ctx, ped, host.cable) })
	}
	err := show(ctx, o, std, ped, host.cable)
	stop()
	wg.Wait()
	if err == nil || errors.Is(err, face.ErrQuit) || errors.Is(err, context.Canceled) {
		select {
		case err = <-failed:
		default:
			err = nil
		}
	}
	return err
}

// show runs the face in the foreground.
func show(ctx context.Context, o *options, std streams, ped *softped.PED, cable face.Cable) error {
	switch o.face {
	case "tty":
		err := (&face.TTY{PED: ped, In: std.in, Out: std.out}).Run(ctx)
		if errors.Is(err, face.ErrNoTerminal) {
			return cmdline.Failed(err, "")
		}
		return err
	case "script":
		// A read from a pipe cannot be called off: it is left behind when a signal
		// comes first.
		done := make(chan error, 1)
		go func() { done <- (&face.Script{PED: ped, Out: std.out, Echo: o.echo, Cable: cable}).Run(ctx, std.in) }()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	<-ctx.Done()
	return nil
}

func listen(path string, access localsock.Access, flag string) (*back.Listener, error) {
	hint := "give " + flag + " a path in a folder that this user may write to"
	if access.Group != "" {
		hint += "; this user must be in the group"
	}
	l, err := back.Listen(path, access)
	if errors.Is(err, back.ErrSocketInUse) {
		return nil, cmdline.Failed(err, "stop the other softped, or give "+flag+" another path")
	}
	if err != nil {
		return nil, cmdline.Failed(fmt.Errorf("cannot listen: %w", err), hint)
	}
	return l, nil
}
