//go:build unix

package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"openped/internal/admin"
	"openped/internal/admin/admintest"
	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/metrics"
	"openped/internal/rc"
	"openped/internal/setting"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"fake": func() { os.Exit(fake.Main(os.Args[1:], os.Stdout, os.Stderr)) },
		"get":  get,
	})
}

// get prints what an HTTP server answers, at a TCP address or a socket.
func get() {
	network := "tcp"
	if strings.HasPrefix(os.Args[1], "/") {
		network = "unix"
	}
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, os.Args[1])
	}}}
	r, err := c.Get("http://localhost" + os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, _ = io.Copy(os.Stdout, r.Body)
}

func TestScripts(t *testing.T) { admintest.Run(t, "fake") }

func seconds(name, key, def string, live bool) *setting.Setting {
	return &setting.Setting{Name: name, Key: key, Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: 100, Default: def, Live: live}
}

func bit(name, key, def string) *setting.Setting {
	return &setting.Setting{Name: name, Key: key, Value: "0 or 1", Kind: setting.Bit, Default: def, Live: true}
}

// fake is a daemon that does nothing but what its settings tell it.
var fake = &daemon.Program{
	Name: "fake", Title: "Fake", LogName: "fake.log", ConfigName: "fake.conf", Sections: []string{"PedServer", "Ped Server"},
	Help:         "\nThe help of all.\n",
	StartTimeout: "starttimeout", StopTimeout: "stoptimeout", ShutdownTimeout: "shutdowntimeout",
	Named: "Appliance", NamedKeys: []string{"IP", "Port"},
	Table: setting.Table{
		{Name: "name", Value: "name", Kind: setting.Text, Check: setting.CheckName, Usage: "a name", In: []string{"config"}},
		{Name: "show", Kind: setting.Switch, In: []string{"config"}},
		{Name: "set", Kind: setting.Switch, In: []string{"config"}},
		{Name: "force", Kind: setting.Switch},
		{Name: "format", Value: "format", Kind: setting.Word, Words: []string{"text", "json"}, Default: "text", In: []string{"config"}},
		{Name: "foreground", Kind: setting.Switch},
		{Name: "configfile", Value: "file", Kind: setting.Path, In: []string{"config"}},
		{Name: "adminhost", Value: "host", Kind: setting.Text},
		{Name: "ip", Key: "IP", Value: "address", Kind: setting.Addr, Many: true, Usage: "listen here"},
		{Name: "port", Aliases: []string{"p"}, Key: "Port", Value: "port", Kind: setting.Int, Min: 1, Max: 65535, Default: "1503", Usage: "TCP port"},
		seconds("ping", "PingInterval", "1", true),
		seconds("loss", "PingTimeout", "3", true),
		{Name: "picky", Key: "Picky", Value: "text", Kind: setting.Text, Live: true, Usage: "what the service refuses"},
		{Name: "trouble", Key: "Trouble", Value: "kind", Kind: setting.Word, Words: []string{"busy", "slow", "deaf", "silent"}},
		{Name: "metricsport", Key: "MetricsPort", Value: "port", Kind: setting.Int, Max: 65535},
		{Name: "remote", Key: "Remote", Value: "port", Kind: setting.Int, Max: 65535},
		seconds("starttimeout", "StartTimeout", "10", false),
		seconds("stoptimeout", "StopTimeout", "10", false),
		seconds("shutdowntimeout", "ShutdownTimeout", "5", false),
		{Name: "logfile", Aliases: []string{"logfilename"}, Key: "LogFileName", Value: "file", Kind: setting.Path, Live: true},
		bit("loginfo", "LogInfo", "1"), bit("logwarning", "LogWarning", "1"), bit("logerror", "LogError", "1"), bit("logtrace", "LogTrace", "0"),
		{Name: "maxlogfilesize", Key: "MaxLogFileSize", Value: "KB", Unit: "KB", Kind: setting.Int, Min: 16, Max: 1000, Default: "100", Live: true},
	},
	Check: func(start bool, v *setting.Values) error {
		switch {
		case start && v.Text("picky") == "no":
			return &cmdline.UsageError{Msg: "no start with that", Hint: "give another -picky"}
		case v.Int("loss") <= v.Int("ping"):
			return &cmdline.UsageError{Msg: "-loss must be longer than -ping"}
		}
		return nil
	},
	Open:   open,
	Status: func() daemon.Status { return new(status) },
	Dial: func(ctx context.Context, c *daemon.Call) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", c.Values.Text("adminhost"))
	},
	Commands: []daemon.Command{
		{Top: "mode", Word: "start", Help: "\nThe help of start.\n", Start: "-port <port>"},
		{Top: "mode", Word: "stop", Help: "\nThe help of stop.\n", AnyConfig: true, Remote: true},
		{Top: "mode", Word: "show", AnyConfig: true, Remote: true},
		{Top: "mode", Word: "config"},
		{Top: "mode", Word: "reload", AnyConfig: true, Remote: true},
		{Top: "thing", Word: "add", Help: "\nThe help of add.\n", Need: []string{"name"}, Run: add},
		{Top: "thing", Word: "list", Positional: true, Run: list},
		{Top: "regen", Run: regen},
	},
}

type status struct {
	Pings string `json:"pings"`
	File  string `json:"file"`
}

func (s *status) Show(w io.Writer) { fmt.Fprintf(w, "Pings: %s\nFile: %s\n", s.Pings, s.File) }

func open(env daemon.Env) (*daemon.Service, error) {
	v := env.Values
	switch v.Text("trouble") {
	case "busy":
		return nil, &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.PortInUse, Err: errors.New("port 7 is in use"), Hint: "choose another"}
	case "slow":
		time.Sleep(time.Hour)
	}
	st := &status{Pings: v.Text("ping"), File: env.ConfigPath}
	s := &daemon.Service{
		Serve: func(ctx context.Context) error {
			<-ctx.Done()
			if v.Text("trouble") == "deaf" {
				select {}
			}
			return nil
		},
		Status:  func() any { return *st },
		Started: []any{"pings", st.Pings},
		Collector: metrics.Collector("fake", func(e *metrics.Emit) {
			e.Gauge("pings", "What show has.", float64(v.Int("ping")))
		}),
		Reload: func(v *setting.Values) error {
			if v.Text("picky") == "never" {
				return errors.New("the service does not want that")
			}
			env.Log.Log(context.Background(), -8, "a trace line")
			st = &status{Pings: v.Text("ping"), File: env.ConfigPath}
			if v.Text("picky") == "half" {
				return &daemon.Partly{Err: errors.New("port 7 is in use")}
			}
			return nil
		},
	}
	if port := v.Int("remote"); port != 0 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return nil, err
		}
		s.Remote, s.Secure = l, func(_ context.Context, c net.Conn) (net.Conn, string, error) { return c, "anybody", nil }
	}
	return s, nil
}

func add(c *daemon.Call) error {
	c.Launched("add")
	if err := c.Confirm("add " + c.Values.Text("name")); err != nil {
		return err
	}
	return c.Configure(map[string]string{"ping": "2", "PingTimeout": "9"})
}

func list(c *daemon.Call) error {
	if c.JSON() {
		return c.Print(map[string]any{"words": c.Words, "port": c.Values.Int("port")})
	}
	c.Launched("")
	fmt.Fprintln(c.Stdout, strings.Join(c.Words, " "), c.ConfigPath)
	return nil
}

func regen(c *daemon.Call) error {
	client, err := c.Client(time.Second)
	if err != nil {
		return err
	}
	if err := client.Get(c.Context(), "/v1/show", nil); errors.Is(err, admin.ErrNotRunning) {
		return c.Running(err)
	}
	c.Changed()
	return nil
}
