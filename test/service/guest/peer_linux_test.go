package guest

import (
	"strings"
	"testing"
)

// thePeers: where PEDserver makes the link, with certificates that root has made and
// registered and the services read.
func thePeers(t *testing.T) {
	confs := []string{serverConf, clientConf}
	for _, conf := range confs {
		mend := rewrite(conf, func(s string) string { return s })(t)
		t.Cleanup(func() {
			mend()
			run(t, "systemctl", "restart", "pedserver", "pedclient")
		})
	}
	const identity = "/cert/client/"
	for d, name := range map[string]string{"pedserver": "desk", "pedclient": "rack"} {
		must(t, d, "-regen", "-commonname", name, "-force")
		dir := "/var/lib/openped/" + d
		for _, line := range strings.Split(strings.TrimSpace(must(t, "find", dir, "-type", "f", "-printf", `%u %p\n`)), "\n") {
			if !strings.HasPrefix(line, d+" ") {
				t.Errorf("not the service's: %s", line)
			}
		}
		if is := modeOf(dir + identity + name + "Key.pem"); is != "0600 "+d+" "+d {
			t.Errorf("the key of %s is %s", d, is)
		}
	}
	must(t, "pedserver", "-appliance", "register", "-name", "rack1", "-certificate", "/var/lib/openped/pedclient"+identity+"rack.pem", "-ip", "127.0.0.1")
	must(t, "pedclient", "-pedserver", "register", "-name", "desk1", "-certificate", "/var/lib/openped/pedserver"+identity+"desk.pem")
	must(t, "pedserver", "-mode", "config", "-set", "-connectto", "rack1", "-autoconnect", "1")
	must(t, "systemctl", "restart", "pedclient", "pedserver")
	shows(t, "pedserver", usable, "rack1")
	poll(t, "a login through a link that PEDserver made", 2*usable, func() error {
		return visit(t, "ped connect -pedserver desk1", "role login -name so", "role logout", "ped disconnect")
	})
	must(t, "systemctl", "restart", "pedclient")
	poll(t, "a login after the link was lost", 2*usable, func() error {
		return visit(t, "ped connect -pedserver desk1", "role login -name so", "role logout", "ped disconnect")
	})
	must(t, "pedserver", "-appliance", "delete", "-name", "rack1", "-force")
	must(t, "pedclient", "-pedserver", "delete", "-name", "desk1", "-force")
}
