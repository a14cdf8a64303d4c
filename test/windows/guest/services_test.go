package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// softped starts a software PED that waits to be paired, on a socket of its stage.
func softped(t *testing.T, s *lab.Stage, socket, folder string) *lab.PED {
	t.Helper()
	keys := filepath.Join(s.Dir, "keys")
	must(t, os.Mkdir(keys, 0o700))
	at := func(path string) string { return path }
	if folder == "" {
		at = guest
	}
	args := []string{"-listen", socket, "-keys", at(keys), "-state", at(filepath.Join(s.Dir, "ped.state")), "-keycost", "light", "-mode", "pair"}
	p, err := lab.StartPED(s, slices.Concat(args, []string{"-newkeys", strings.Join(lab.Cast, ",")})...)
	must(t, err)
	must(t, p.Until(20*time.Second, "plug", func() bool { return strings.Contains(p.Said(), "plugged in at") }))
	return p
}

// ceremonies pairs, initialises the HSM and logs two of three custodians in.
func ceremonies(t *testing.T, console *lab.Console, ped *lab.PED, port string) {
	t.Helper()
	connect := "ped connect -ip 127.0.0.1 -port " + port
	for _, c := range []string{connect + " -password", "ped vector init", "ped disconnect", connect, "hsm init -label lab -force", "role login -name so", "role logout", "ped disconnect"} {
		e, err := lab.Perform(console, func() *lab.PED { return ped }, lab.Play{Command: c, People: lab.Everybody()})
		if err != nil || !e.OK() {
			t.Fatalf("%s: %v\n%s", c, err, e)
		}
	}
}

// beside is a stage for programs of this side.
func beside(t *testing.T) *lab.Stage {
	t.Helper()
	s, err := lab.NewStage(lab.Bin(t), "")
	must(t, err)
	t.Cleanup(func() { must(t, s.Close(false)) })
	return s
}

// The workstation is a Windows: pedserver is its service, softped a program there;
// the HSM's host is a Linux.
func TestServerService(t *testing.T) {
	win, linux := byHand(t), beside(t)
	port := freePort(t)
	says(t, win, 0, "Port = "+port, "pedserver", "-mode", "config", "-instance", "pedserver", "-set", "-port", port, "-ip", "127.0.0.1", "-peddevice", "pipe:guest-ped")
	says(t, win, 3, "not installed", "pedserver", "-service", "status")
	says(t, win, 3, "not installed", "pedserver", "-service", "prepare")
	must(t, os.Chmod(host(installed), 0o777)) // Wine makes an access list of it
	says(t, win, 2, "can be changed by", "pedserver", "-service", "install")
	must(t, os.Chmod(host(installed), 0o755))
	says(t, win, 0, "Service pedserver started", "pedserver", "-service", "install")
	says(t, win, 0, "Service pedserver prepared", "pedserver", "-service", "prepare")
	t.Cleanup(func() { _, _ = win.Run("pedserver", "-service", "uninstall") })
	says(t, win, 2, "already", "pedserver", "-service", "install")
	says(t, win, 0, "running", "pedserver", "-service", "status")
	says(t, win, 0, "Service:                  pedserver", "pedserver", "-mode", "show")

	ped := softped(t, win, "pipe:guest-ped", "")
	must(t, lab.Poll(20*time.Second, "pedserver to have the PED", func() error {
		if out, err := win.Run("pedserver", "-mode", "show"); err != nil || !strings.Contains(out, "Ped2 Connection Status:   Connected") {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}))
	origin, hsm := linux.Path("origin"), linux.Path("hsm1")
	says(t, linux, 0, "", "pedclient", "-mode", "createhsm", "-hsm", hsm, "-serial", "7000001", "-origin", origin)
	client, err := linux.Start("pedclient", nil, "pedclient", "-mode", "start", "-foreground", "-hsm", hsm, "-listenport", freePort(t))
	must(t, err)
	must(t, client.Until(20*time.Second, "answer", func() bool { return lab.Answers(linux.Path("hsm.sock")) }))
	console, err := lab.StartConsole(linux)
	must(t, err)
	ceremonies(t, console, ped, port)

	says(t, win, 0, "Service pedserver started", "pedserver", "-service", "restart")
	says(t, win, 0, "Stop command passed", "pedserver", "-mode", "stop")
	says(t, win, 3, "stopped", "pedserver", "-service", "status")
	says(t, win, 3, "not running", "pedserver", "-mode", "show")
	says(t, win, 0, "started", "pedserver", "-mode", "start", "-instance", "pedserver")
	says(t, win, 0, "Service pedserver stopped", "pedserver", "-service", "stop")
	says(t, win, 0, "stopped and removed", "pedserver", "-service", "uninstall")
	says(t, win, 3, "not installed", "pedserver", "-service", "status")
	if !lab.Exists(host(data + `\pedServer.conf`)) {
		t.Error("the configuration is gone")
	}
}

// The HSM's host is a Windows: pedclient is its service, hsmcm asks it there; the
// workstation is a Linux.
func TestClientService(t *testing.T) {
	win, linux := byHand(t), beside(t)
	port, hsm := freePort(t), data+`\pedclient\hsm1`
	says(t, win, 2, "no HSM", "pedclient", "-service", "install")
	says(t, win, 0, "", "pedclient", "-mode", "createhsm", "-hsm", hsm, "-serial", "7000001", "-origin", data+`\origin`)
	says(t, win, 0, "", "pedclient", "-mode", "config", "-instance", "pedclient", "-set", "-hsm", hsm, "-listenport", freePort(t))
	says(t, win, 0, "Service pedclient started", "pedclient", "-service", "install")
	t.Cleanup(func() { _, _ = win.Run("pedclient", "-service", "uninstall") })
	says(t, win, 0, "", "pedclient", "-mode", "show")

	ped := softped(t, linux, "unix:"+linux.Path("ped.sock"), linux.Dir)
	server, err := linux.Start("pedserver", nil, "pedserver", "-mode", "start", "-foreground", "-ip", "127.0.0.1", "-port", port, "-peddevice", "unix:"+linux.Path("ped.sock"))
	must(t, err)
	must(t, server.Until(20*time.Second, "answer", func() bool { return lab.Answers(linux.Path("pedserver.sock")) }))
	console, err := lab.StartConsole(win)
	must(t, err)
	ceremonies(t, console, ped, port)
	says(t, win, 0, "stopped and removed", "pedclient", "-service", "uninstall")
	if !lab.Exists(host(hsm)) {
		t.Error("the HSM is gone")
	}
}
