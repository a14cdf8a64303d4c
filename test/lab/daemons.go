package lab

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"openped/pedserver"
)

// startLimit is how long a daemon may take to be ready.
const startLimit = 20 * time.Second

// StartPED starts softped, again too.
func (l *Lab) StartPED() *PED {
	l.T.Helper()
	ctl := l.Path("ped.ctl")
	cable := l.opts.Cable
	if cable == nil {
		cable = []string{"-listen", "unix:" + l.Path("ped.sock")}
	}
	args := append(slices.Clone(cable), "-keys", l.Keys(), "-state", l.pedPath("ped.state"), "-root", l.Path("origin/origin.pem"),
		"-control", "unix:"+ctl, "-logfile", l.Path("softped.log"))
	if l.opts.Trace {
		args = append(args, "-logtrace", "1")
	}
	if !l.opts.StrongKeys {
		args = append(args, "-keycost", "light")
	}
	if mode := l.mode(); mode != "" {
		args = append(args, "-mode", mode)
	}
	blanks := l.opts.Blanks
	if blanks == nil && l.opts.From == "" {
		blanks = Cast
	}
	for _, b := range blanks {
		args = append(args, "-blank", b)
	}
	_ = os.Remove(ctl)
	p, err := StartPED(l.Stage, append(args, l.opts.PEDFlags...)...)
	if err == nil {
		// It comes last: the other one takes callers by then.
		err = p.Until(startLimit, "control socket", func() bool { return Exists(ctl) })
	}
	if err != nil {
		l.T.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ped = p
	return p
}

// mode is what softped is started in: a restart has it in the default mode.
func (l *Lab) mode() string {
	switch {
	case l.PED() != nil:
		return ""
	case l.opts.Mode == "" && l.opts.From == "":
		return "pair"
	}
	return l.opts.Mode
}

// StartServer starts pedserver, again too: on the same port.
func (l *Lab) StartServer() *Process {
	l.T.Helper()
	device := l.opts.Device
	if device == "" {
		device = "unix:" + l.Path("ped.sock")
	}
	args := []string{"-mode", "start", "-foreground", "-peddevice", device, "-logfile", l.Path("pedserver.log")}
	switch {
	case l.opts.Peer:
		args = append(args, "-name", Rack)
	case l.opts.IP == Any:
		args = append(args, "-port", strconv.Itoa(l.Port))
	default:
		args = append(args, "-port", strconv.Itoa(l.Port), "-ip", l.opts.IP)
	}
	p := l.daemon("pedserver", append(args, l.opts.ServerFlags...))
	if err := p.Until(startLimit, "answer", func() bool { _, err := l.ServerStatus(); return err == nil }); err != nil {
		l.T.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server = p
	return p
}

// StartClient starts pedclient with all HSMs, again too.
func (l *Lab) StartClient() *Process {
	l.T.Helper()
	args := []string{"-mode", "start", "-foreground", "-logfile", l.Path("pedclient.log"), "-listenport", strconv.Itoa(l.LinkPort)}
	for n := range l.opts.HSMs {
		if l.opts.HSM == 0 || l.opts.HSM == n+1 {
			args = append(args, "-hsm", l.HSMFile(n+1))
		}
	}
	p := l.daemon("pedclient", append(args, l.opts.ClientFlags...))
	if err := p.Until(startLimit, "answer", func() bool { return Answers(l.Path("hsm.sock")) }); err != nil {
		l.T.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client = p
	return p
}

func (l *Lab) daemon(name string, args []string) *Process {
	l.T.Helper()
	if l.opts.Trace {
		args = append(args, "-logtrace", "1")
	}
	p, err := l.Start(name, nil, name, args...)
	if err != nil {
		l.T.Fatal(err)
	}
	return p
}

// Answers reports whether somebody takes connections on a unix socket.
func Answers(path string) bool {
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// ServerStatus is what pedserver says of itself on its admin socket, which is
// where `pedserver -mode show` has it from.
func (l *Lab) ServerStatus() (pedserver.Status, error) {
	var st pedserver.Status
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", l.Path("pedserver.sock"))
		},
	}}
	r, err := c.Get("http://local/v1/show")
	if err != nil {
		return st, err
	}
	defer r.Body.Close()
	return st, json.NewDecoder(r.Body).Decode(&st)
}
