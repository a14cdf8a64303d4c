//go:build linux || darwin

package linkid

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestServiceMisleadsRoot plays the user of a service, who owns the data folder, and
// root who registers, lists, deletes and makes identities for that service: no link
// that the user puts there leads root into another folder, and what root makes is the
// service's.
//
// Without atomicfile.AsOwner in sweep the certificates of another folder are deleted,
// without it in save a key is written there, without it in read another file is shown.
func TestServiceMisleadsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root works in the folders of others")
	}
	const service = 12345
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	conf, data, victim := at("pedServer.conf"), at("data"), at("victim")
	err := errors.Join(os.Chmod(filepath.Dir(top), 0o755), os.Mkdir(data, 0o700), os.Chown(data, service, service),
		os.MkdirAll(filepath.Join(victim, "client"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(victim, "secret.pem")
	id, err := Generate("desk")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, encodeCert(id.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Register(conf, data, Peer{Kind: Administrator, Name: "anna"}, secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := id.Save(Dir(data), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{p.CertFile, cert, key, Dir(data), filepath.Dir(Dir(data))} {
		if fi, err := os.Lstat(path); err != nil || fi.Sys().(*syscall.Stat_t).Uid != service {
			t.Errorf("%s is not the service's (%v)", path, err)
		}
	}

	// Another file in the place of the copy.
	if err := errors.Join(os.Remove(p.CertFile), os.Symlink(secret, p.CertFile)); err != nil {
		t.Fatal(err)
	}
	if all, err := List(conf, Administrator); err != nil || len(all) != 1 || all[0].Problem == "" {
		t.Errorf("root's file was read for the service's user: %+v %v", all, err)
	}
	if r, err := ReadRegistry(conf, Administrator); err == nil || len(r.peers) != 0 {
		t.Errorf("root's file was read for the service's user: %+v", r)
	}
	// Another folder in the place of the copies'.
	if err := errors.Join(os.RemoveAll(filepath.Dir(p.CertFile)), os.Symlink(victim, filepath.Dir(p.CertFile))); err != nil {
		t.Fatal(err)
	}
	if err := Delete(conf, data, Administrator, "anna"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	if _, err := Register(conf, data, Peer{Kind: Administrator, Name: "otto"}, secret); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	// And above that of the identities.
	if err := errors.Join(os.RemoveAll(filepath.Join(data, "cert")), os.Symlink(victim, filepath.Join(data, "cert"))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := id.Save(Dir(data), false); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	for dir, want := range map[string]int{victim: 2, filepath.Join(victim, "client"): 0} {
		if names, err := os.ReadDir(dir); err != nil || len(names) != want {
			t.Errorf("%s holds %v (%v)", dir, names, err)
		}
	}
}
