package packages

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// inSystem runs a script as root of a system that is this one, with everything that
// is written going into memory: nothing of it is left. Folder /packages has the
// packages. What the script prints after a line "== NAME" is returned under that
// name.
func inSystem(t *testing.T, format, script string) map[string]string {
	t.Helper()
	var paths []string
	for _, p := range built(t, format) {
		if p.arch == runtime.GOARCH {
			paths = append(paths, p.path)
		}
	}
	if len(paths) == 0 {
		t.Skip("there are no packages for this processor")
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("root is needed")
		}
		t.Skip("root is needed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := t.TempDir()
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "bash", "-c", `set -e
dir=$1; shift
mount -t tmpfs none "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay -o lowerdir=/,upperdir="$dir/upper",workdir="$dir/work" none "$dir/root"
cd "$dir/root"
mount -t proc none proc; mount -t tmpfs none run; mount -t tmpfs none tmp; mount --bind /dev dev
mkdir packages; cp "$@" packages/
# What somebody has tried here is not what packages bring.
rm -rf var/lib/openped var/log/openped etc/openped-* etc/pedServer.conf* etc/pedClient.conf*
cat >script
exec chroot . /bin/bash -eu script 2>&1
`, "bash", dir}, paths...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "mount:") && os.Getenv("CI") == "" {
			t.Skipf("this system does not allow it: %s", out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	said := map[string]string{}
	name := ""
	for line := range strings.Lines(string(out)) {
		if n, ok := strings.CutPrefix(line, "== "); ok {
			name = strings.TrimSpace(n)
			continue
		}
		said[name] += line
	}
	return said
}

// state is a part of the scripts: what there is of openped, and of anything that
// changed in the system's configuration.
const state = `
programs=(pedserver pedclient softped)
state() {
  for p in "${programs[@]}"; do getent passwd $p | cut -d: -f1,6,7; done
  getent group openped | cut -d: -f1
  find /etc/systemd /etc/ped* /etc/openped* /var/lib/openped /var/log/openped /run/openped /usr/bin/{pedserver,pedclient,softped,hsmcm} \
    -printf '%M %u %g %p %l\n' 2>/dev/null | grep -i -e ped -e desk | sort -k4 || :
}
# A further service, as "-service install -name desk2" leaves it.
desk2() {
  printf '[Service]\nExecStart=/usr/bin/pedserver -mode start -foreground -instance desk2\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/desk2.service
  ln -s /etc/systemd/system/desk2.service /etc/systemd/system/multi-user.target.wants/desk2.service
  echo 'PedServer = { }' >/etc/openped-desk2.conf
  install -d -o pedserver -g pedserver /var/lib/openped/desk2 /var/log/openped /var/log/openped/desk2
  # One that is somebody else's.
  printf '[Service]\nExecStart=/usr/bin/pedserverish -instance desk3\n' >/etc/systemd/system/desk3.service
  install -d /var/lib/openped/desk3
}
# HSMs and keys of the services.
treasures() {
  pedclient -mode createhsm -hsm /var/lib/openped/pedclient/hsm1 -serial 7000001 -origin /var/lib/openped/pedclient/origin >/dev/null
  pedclient -mode config -set -hsm /var/lib/openped/pedclient/hsm1 >/dev/null
  install -d -o softped -g softped /var/lib/openped/softped/pedkeys
  : >"/var/lib/openped/softped/pedkeys/blue1.pedkey"
  : >"/var/lib/openped/softped/pedkeys/"$'\033'"[31m.pedkey"
}
`

// TestInstall: where no systemd runs, as in a chroot or where an image is made,
// everything is put in place and nothing fails; a removal keeps what is the
// owner's, a purge names it and leaves nothing.
func TestInstall(t *testing.T) {
	said := inSystem(t, "deb", state+`
state >/before
echo == install
dpkg -i packages/*.deb
echo == installed
state
state >/installed
echo == again
dpkg -i packages/*.deb >/dev/null 2>&1
state | diff /installed - && echo same
desk2
treasures
systemctl enable pedclient >/dev/null 2>&1
state >/used
echo == remove
dpkg -r openped-pedserver openped-pedclient openped-softped
echo == removed
state | diff /used - || :
echo == return
dpkg -i packages/*.deb >/dev/null 2>&1
state | diff /used - && echo same
echo == purge
dpkg -P openped-pedserver openped-pedclient openped-softped
echo == purged
state | diff /before - || :
`)
	contain(t, said["install"], "pedclient -mode createhsm -hsm /var/lib/openped/pedclient/hsm1", "systemctl enable --now softped")
	lack(t, said["install"], "warning", "error", "failed", "could not")
	contain(t, said["installed"],
		"pedserver:/var/lib/openped/pedserver:/usr/sbin/nologin\n", "\nopenped\n",
		"-rw-r--r-- root root /etc/pedServer.conf", "-rw-r--r-- root root /etc/pedClient.conf",
		"drwxr-xr-x root root /var/lib/openped \n", "drwx------ pedclient pedclient /var/lib/openped/pedclient \n",
		"/etc/systemd/system/multi-user.target.wants/pedserver.service")
	lack(t, said["installed"], "wants/softped.service", "wants/pedclient.service")
	for _, same := range []string{"again", "return"} {
		if said[same] != "same\n" {
			t.Errorf("%s: it is not as it was:\n%s", same, said[same])
		}
	}
	contain(t, said["removed"], "/usr/bin/pedserver", "/usr/bin/softped", "wants/pedclient.service")
	lack(t, said["removed"], "/etc/pedServer.conf", "/etc/pedClient.conf", "/var/lib", "desk2", "nologin")
	contain(t, said["purge"], "virtual HSM  /var/lib/openped/pedclient/hsm1\n", "origin root  /var/lib/openped/pedclient/origin/origin.key\n",
		"PED keys     /var/lib/openped/softped/pedkeys\n", "the service desk2 and its configuration are removed")
	lack(t, said["purge"], "\033", "could not")
	if got := said["purged"]; !onlyForeign(got) {
		t.Errorf("the purge left, or took too much:\n%s", got)
	}
}

// onlyForeign: of all that the script made only what is somebody else's is left.
func onlyForeign(diff string) bool {
	n := 0
	for line := range strings.Lines(diff) {
		if !strings.HasPrefix(line, "<") && !strings.HasPrefix(line, ">") {
			continue
		}
		if !strings.HasPrefix(line, ">") || !strings.Contains(line, "desk3") && !strings.Contains(line, " /var/lib/openped \n") {
			return false
		}
		n++
	}
	return n == 3
}

// systemd is a part of the scripts: a systemd that seems to run. It writes down what
// it is told, and runs what stands in /active.
const systemd = `
mkdir -p /run/systemd/system
rm -f /usr/sbin/policy-rc.d # one that forbids starts, as images of containers have
mv /usr/bin/systemctl /usr/bin/systemctl.real
cat >/usr/bin/systemctl <<'END'
#!/bin/bash
args=()
for a; do case $a in -*) ;; *) args+=("$a") ;; esac; done
case ${args[0]} in
  is-active) grep -qx "${args[1]}" /active && { echo active; exit 0; }; echo inactive; exit 3 ;;
  enable | disable | is-enabled | preset) exec /usr/bin/systemctl.real --root=/ "$@" ;;
esac
echo "$@" >>/calls
exit 0
END
chmod +x /usr/bin/systemctl
: >/active
calls() { sort -u /calls | grep -v show || :; : >/calls; }
`

// TestServices: what runs after an installation, an upgrade and a removal.
func TestServices(t *testing.T) {
	said := inSystem(t, "deb", state+systemd+`
dpkg -i packages/*.deb >/dev/null 2>&1
echo == install
calls
desk2
treasures
printf '%s\n' pedserver.service desk2.service softped.service >/active
dpkg -i packages/*.deb >/dev/null 2>&1
echo == upgrade
calls
echo pedclient.service >>/active
systemctl disable softped >/dev/null 2>&1
dpkg -r openped-pedserver openped-pedclient openped-softped >/dev/null 2>&1
echo == remove
calls
: >/active
dpkg -i packages/*.deb >/dev/null 2>&1
echo == return
calls
dpkg -P openped-pedserver openped-pedclient openped-softped >/dev/null 2>&1
echo == purge
calls
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
dpkg -i packages/*.deb >/dev/null 2>&1
echo == policy
calls
`)
	contain(t, said["install"], "daemon-reload\n", "start pedserver.service\n")
	lack(t, said["install"], "start pedclient", "start softped", "restart")
	contain(t, said["upgrade"], "daemon-reload\n", "restart pedserver.service\n", "restart desk2.service\n", "restart softped.service\n")
	lack(t, said["upgrade"], "pedclient", "desk3", "stop", "\nstart")
	contain(t, said["remove"], "daemon-reload\n", "stop pedserver.service\n", "stop desk2.service\n", "stop pedclient.service\n", "stop softped.service\n")
	lack(t, said["remove"], "desk3", "start")
	contain(t, said["return"], "start pedserver.service\n", "start pedclient.service\n")
	lack(t, said["return"], "softped")
	contain(t, said["purge"], "stop desk2.service\n", "daemon-reload\n")
	lack(t, said["policy"], "start ")
}

// TestRPM: the same of the other kind, which keeps state and configuration.
func TestRPM(t *testing.T) {
	said := inSystem(t, "rpm", state+systemd+`
rm -f /usr/bin/deb-systemd-* # a system that is not Debian's
rpm --initdb
echo == install
rpm -i --nodeps packages/*.rpm
echo == installed
state
echo == started
calls
desk2
treasures
printf '%s\n' pedserver.service desk2.service >/active
rpm -U --force --nodeps packages/*.rpm
echo == upgrade
calls
state >/used
echo == erase
rpm -e openped-pedserver openped-pedclient openped-softped
echo == erased
state | diff /used - || :
echo == stopped
calls
`)
	contain(t, said["install"], "pedclient -mode createhsm -hsm /var/lib/openped/pedclient/hsm1", "systemctl enable --now softped")
	lack(t, said["install"], "warning", "error", "failed", "could not")
	contain(t, said["installed"], "pedserver:/var/lib/openped/pedserver:", "drwx------ pedclient pedclient /var/lib/openped/pedclient \n",
		"wants/pedserver.service")
	lack(t, said["installed"], "wants/softped.service", "wants/pedclient.service")
	contain(t, said["started"], "start pedserver.service\n")
	lack(t, said["started"], "start pedclient", "start softped")
	contain(t, said["upgrade"], "try-restart pedserver.service\n", "try-restart desk2.service\n")
	lack(t, said["upgrade"], "stop", "try-restart pedclient")
	contain(t, said["erase"], "stay: /var/lib/openped")
	contain(t, said["erased"], "/usr/bin/pedserver", "wants/pedserver.service")
	lack(t, said["erased"], "/var/lib", "desk2", "nologin", "< -rw-r--r-- root root /etc/pedClient.conf \n> -") // changed, so kept as .rpmsave
	contain(t, said["stopped"], "stop pedserver.service\n", "stop desk2.service\n", "stop pedclient.service\n", "daemon-reload\n")
}

func contain(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains("\n"+text, w) {
			t.Errorf("no %q in:\n%s", w, text)
		}
	}
}

func lack(t *testing.T, text string, bad ...string) {
	t.Helper()
	for _, b := range bad {
		if strings.Contains("\n"+text, b) {
			t.Errorf("%q in:\n%s", b, text)
		}
	}
}

// TestKeptApart: this machine has none of it. A test that installs into the wrong
// system would otherwise go unseen.
func TestKeptApart(t *testing.T) {
	built(t, "deb")
	for _, p := range []string{"pedserver", "pedclient", "softped"} {
		for _, path := range []string{"/usr/lib/systemd/system/" + p + ".service", filepath.Join("/usr/share/doc", "openped-"+p, "copyright")} {
			if _, err := os.Stat(path); err == nil {
				if out, _ := exec.Command("dpkg", "-S", path).Output(); len(out) == 0 {
					t.Errorf("%s is there, and of no package", path)
				}
			}
		}
	}
}
