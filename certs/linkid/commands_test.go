package linkid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// place is a configuration file, a data folder, and certificate files to register.
type place struct {
	t          testing.TB
	conf, data string
}

func newPlace(t testing.TB) *place {
	dir := t.TempDir()
	return &place{t, filepath.Join(dir, "etc", "pedServer.conf"), filepath.Join(dir, "data")}
}

// cert writes the certificate of id to a file.
func (p *place) cert(id *Identity) string {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), "cert.pem")
	if err := os.WriteFile(path, encodeCert(id.Cert), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *place) register(kind Kind, name string, id *Identity) error {
	p.t.Helper()
	_, err := Register(p.conf, p.data, Peer{Kind: kind, Name: name, Host: "192.0.2.1", Port: 9697}, p.cert(id))
	return err
}

// copies returns the names of all copies below the data folder.
func (p *place) copies() string {
	p.t.Helper()
	var names []string
	err := filepath.WalkDir(p.data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, d.Name())
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func (p *place) names(kind Kind) string {
	p.t.Helper()
	r, err := ReadRegistry(p.conf, kind)
	if err != nil {
		p.t.Error(err)
	}
	var names []string
	for _, peer := range r.Peers() {
		names = append(names, peer.Name)
	}
	return strings.Join(names, " ")
}

func TestRegisterAndDelete(t *testing.T) {
	p := newPlace(t)
	a, b, c := newID(t, "host-a"), newID(t, "host-b"), newID(t, "host-c")
	if r, err := ReadRegistry(p.conf, Appliance); err != nil || r == nil || len(r.Peers()) != 0 {
		t.Errorf("without a file: %v %v", r, err)
	}
	if err := os.MkdirAll(filepath.Dir(p.conf), 0o755); err != nil {
		t.Fatal(err)
	}
	before := "// of the house\nPedServer = {\n  Port = 1503; // keep\n}\n"
	if err := os.WriteFile(p.conf, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{p.register(Appliance, "Hello", a), p.register(Appliance, "abox", b), p.register(Administrator, "bob", a)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := p.names(Appliance); got != "abox Hello" {
		t.Errorf("registered: %s", got)
	}
	if got := p.copies(); got != "administrator-bob.pem appliance-abox.pem appliance-hello.pem" {
		t.Errorf("copies: %s", got)
	}
	r, err := ReadRegistry(p.conf, Appliance)
	if err != nil {
		t.Fatal(err)
	}
	hello, ok := r.Lookup("HELLO")
	if match, found := r.Match(a.Cert); !ok || !found || match.Name != "Hello" || hello.Host != "192.0.2.1" || hello.Port != 9697 || hello.Kind != Appliance || Fingerprint(hello.Cert) != a.Fingerprint() {
		t.Errorf("%+v %+v", hello, match)
	}
	if st, err := os.Stat(hello.CertFile); err != nil || st.Mode().Perm() != 0o644 && os.PathSeparator == '/' {
		t.Errorf("%v %v", st.Mode(), err)
	}

	for _, bad := range []struct {
		kind Kind
		name string
		id   *Identity
		want string
	}{
		{Appliance, "hello", c, "Hello is registered already"},
		{Appliance, "other", a, "is registered already: delete it first, as Hello"},
		{Appliance, "", c, "name"},
		{Appliance, "a/b", c, "name"},
		{Appliance, "a b", c, "name"},
	} {
		if err := p.register(bad.kind, bad.name, bad.id); err == nil || !strings.Contains(err.Error(), bad.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", bad.name, err)
		}
	}
	if err := Delete(p.conf, p.data, Appliance, "nobody"); !errors.Is(err, ErrNotRegistered) {
		t.Error(err)
	}
	if err := Delete(p.conf, p.data, Appliance, "bob"); !errors.Is(err, ErrNotRegistered) {
		t.Errorf("deleted as another kind: %v", err)
	}
	for kind, name := range map[Kind]string{Appliance: "HELLO", Administrator: "bob"} {
		if err := Delete(p.conf, p.data, kind, name); err != nil {
			t.Error(err)
		}
	}
	if got := p.copies(); got != "appliance-abox.pem" {
		t.Errorf("copies: %s", got)
	}
	if err := Delete(p.conf, p.data, Appliance, "abox"); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(p.conf)
	if err != nil || strings.TrimSpace(string(text)) != strings.TrimSpace(before) {
		t.Errorf("the file was %q and is %q", before, text)
	}
	if err := p.register(Appliance, "hello", a); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestTwoDaemons: both daemons of a host have the same data folder.
func TestTwoDaemons(t *testing.T) {
	p := newPlace(t)
	q := &place{t, filepath.Join(filepath.Dir(p.conf), "pedClient.conf"), p.data}
	a, b := newID(t, "host-a"), newID(t, "host-b")
	if err := errors.Join(p.register(Administrator, "bob", a), q.register(Administrator, "bob", b)); err != nil {
		t.Fatal(err)
	}
	if err := Delete(p.conf, p.data, Administrator, "bob"); err != nil {
		t.Fatal(err)
	}
	r, err := ReadRegistry(q.conf, Administrator)
	if _, ok := r.Match(b.Cert); !ok {
		t.Errorf("the other daemon's administrator is gone: %v", err)
	}
}

func TestRegisterRefusesCertificates(t *testing.T) {
	p := newPlace(t)
	ca := newID(t, "authority")
	id := newID(t, "host")
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	expired, err := generate("host", time.Now().Add(-time.Hour), time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		id   *Identity
		want error
	}{
		{"P-256", &Identity{Cert: issue(t, "host", p256, nil)}, ErrKeyType},
		{"other CA", &Identity{Cert: issue(t, "host", id.key, ca)}, ErrNotSelf},
		{"expired", expired, ErrExpired},
	} {
		if err := p.register(Appliance, "abox", c.id); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// A name that fits does not make it its own issuer.
	if err := p.register(Appliance, "abox", &Identity{Cert: issue(t, "authority", id.key, ca)}); !errors.Is(err, ErrNotSelf) {
		t.Errorf("signed by another of its name: %v", err)
	}
	_, keyPath, err := id.Save(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Register(p.conf, p.data, Peer{Kind: Appliance, Name: "abox"}, keyPath); err == nil {
		t.Error("a private key was registered")
	}
	if got := p.copies() + p.names(Appliance); got != "" {
		t.Errorf("left behind: %s", got)
	}
	early, err := generate("host", time.Now().Add(time.Minute), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.register(Appliance, "abox", early); err != nil {
		t.Errorf("a clock that is behind: %v", err)
	}
}

// TestRegistryWithErrors: one peer that is not in order does not keep the others
// out.
func TestRegistryWithErrors(t *testing.T) {
	p := newPlace(t)
	a := newID(t, "host-a")
	if err := p.register(Appliance, "good", a); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(p.conf)
	if err != nil {
		t.Fatal(err)
	}
	more := `
Appliance gone = { IP = 192.0.2.2; CertFile = /nonexistent/x.pem; }
Appliance none = { IP = 192.0.2.2; }
Appliance local = { IP = 192.0.2.2; CertFile = x.pem; }
Appliance port = { IP = 192.0.2.2; Port = 65536; CertFile = /nonexistent/x.pem; }
Appliance a/b = { CertFile = /nonexistent/x.pem; }
Appliance = { CertFile = /nonexistent/x.pem; }
Appliances = { CertFile = /nonexistent/x.pem; }
`
	if err := os.WriteFile(p.conf, append(text, more...), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := ReadRegistry(p.conf, Appliance)
	if len(r.Peers()) != 1 || r.Peers()[0].Name != "good" || err == nil {
		t.Fatalf("%v %v", r.Peers(), err)
	}
	if n := strings.Count(err.Error(), "section "); n != 5 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%d sections are named, want 5: %v", n, err)
	}
	l, err := List(p.conf, Appliance)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range l {
		got = append(got, fmt.Sprintf("%s %v", e.Name, e.Problem != ""))
	}
	if s := strings.Join(got, ", "); s != "? true, gone true, good false, local true, none true, port true" {
		t.Error(s)
	}
	if err := Delete(p.conf, p.data, Appliance, "gone"); err != nil {
		t.Errorf("one that is not in order can not be deleted: %v", err)
	}
}

// TestHiddenSection: deleting a peer does not bring an older one of its name to
// light.
func TestHiddenSection(t *testing.T) {
	p := newPlace(t)
	if err := p.register(Appliance, "abox", newID(t, "a")); err != nil {
		t.Fatal(err)
	}
	r, _ := ReadRegistry(p.conf, Appliance)
	text, _ := os.ReadFile(p.conf)
	text = append(text, "Appliance   Abox = { IP = h; CertFile = "+r.Peers()[0].CertFile+"; }\n"...)
	if err := os.WriteFile(p.conf, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Delete(p.conf, p.data, Appliance, "abox"); err != nil {
		t.Fatal(err)
	}
	if got := p.names(Appliance) + p.copies(); got != "" {
		t.Errorf("still there: %s", got)
	}
}

func TestList(t *testing.T) {
	p := newPlace(t)
	a := newID(t, "test2")
	if l, err := List(p.conf, PEDServer); err != nil || l == nil || len(l) != 0 {
		t.Errorf("%v %v", l, err)
	}
	if err := errors.Join(p.register(PEDServer, "zbox", newID(t, "z")), p.register(PEDServer, "Abox", a)); err != nil {
		t.Fatal(err)
	}
	l, err := List(p.conf, PEDServer)
	if err != nil || len(l) != 2 || l[0].Name != "Abox" || l[0].CommonName != "test2" || !l[0].Expires.Equal(a.Cert.NotAfter) || l[0].Fingerprint != a.Fingerprint() || l[0].Problem != "" {
		t.Fatalf("%+v %v", l, err)
	}
	b, err := json.Marshal(l[0])
	if err != nil || strings.Contains(string(b), `"ip"`) || !strings.Contains(string(b), `"sha256":"`+a.Fingerprint()+`"`) {
		t.Errorf("%s %v", b, err)
	}
}

// childRegister registers and deletes for ever.
func childRegister() {
	conf, data, cert := os.Getenv("LINKID_CONF"), os.Getenv("LINKID_DATA"), os.Getenv("LINKID_CERT")
	for {
		if _, err := Register(conf, data, Peer{Kind: Appliance, Name: "abox", Host: "h"}, cert); err != nil && !errors.Is(err, ErrRegistered) {
			fmt.Println(err)
			os.Exit(3)
		}
		os.Stdout.WriteString(".")
		if err := Delete(conf, data, Appliance, "abox"); err != nil {
			fmt.Println(err)
			os.Exit(4)
		}
	}
}

// TestKilledCommands: whenever a registry command is killed, whoever is in the
// file has his certificate, and the next command removes what was left.
func TestKilledCommands(t *testing.T) {
	p := newPlace(t)
	cert := p.cert(newID(t, "host"))
	other := newID(t, "other")
	orphans := 0
	for round := range 40 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LINKID_CHILD=register", "LINKID_CONF="+p.conf, "LINKID_DATA="+p.data, "LINKID_CERT="+cert)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if n, err := out.Read(make([]byte, 1)); n != 1 {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(round) * 97 * time.Microsecond)
		cmd.Process.Kill()
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() > 2 {
			t.Fatalf("the process ended by itself: %v", err)
		}
		there := p.names(Appliance) // complains of a section without its certificate
		if there == "" && strings.Contains(p.copies(), "appliance-abox.pem") {
			orphans++
		}
		if err := p.register(Appliance, "other", other); err != nil {
			t.Fatal(err)
		}
		want := "appliance-other.pem"
		if there != "" {
			want = "appliance-abox.pem appliance-other.pem"
		}
		// A temporary file of the dead one is removed when its file is written next.
		var got []string
		for _, name := range strings.Fields(p.copies()) {
			if !strings.HasPrefix(name, ".") {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("round %d: copies %q, want %q", round, got, want)
		}
		if err := Delete(p.conf, p.data, Appliance, "other"); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of 40 were killed between the steps", orphans)
}

// TestOrphan: what a kill between the steps leaves, made for certain.
func TestOrphan(t *testing.T) {
	p := newPlace(t)
	if err := errors.Join(p.register(Appliance, "abox", newID(t, "a")), p.register(Appliance, "bbox", newID(t, "b"))); err != nil {
		t.Fatal(err)
	}
	r, _ := ReadRegistry(p.conf, Appliance)
	orphan := filepath.Join(filepath.Dir(r.Peers()[0].CertFile), "appliance-orphan.pem")
	for _, command := range []func() error{
		func() error { return p.register(Appliance, "cbox", newID(t, "c")) },
		func() error { return Delete(p.conf, p.data, Appliance, "cbox") },
		func() error { Delete(p.conf, p.data, Appliance, "nobody"); return nil },
	} {
		if err := os.WriteFile(orphan, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := command(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(orphan); !errors.Is(err, fs.ErrNotExist) {
			t.Error("still there")
		}
	}
	if got := p.copies(); got != "appliance-abox.pem appliance-bbox.pem" {
		t.Errorf("copies: %s", got)
	}
}
