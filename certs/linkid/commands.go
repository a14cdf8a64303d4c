package linkid

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"openped/internal/atomicfile"
	"openped/internal/conffile"
)

// What registering and deleting is refused for.
var (
	ErrRegistered    = errors.New("is registered already: delete it first")
	ErrNotRegistered = errors.New("is not registered")
)

// Register adds p to the configuration file conf, which may be missing, and
// copies its certificate from certFile to the data folder. It returns p with
// Cert and CertFile. A name and a certificate can be registered once in a kind.
func Register(conf, data string, p Peer, certFile string) (Peer, error) {
	if err := checkName(p.Name); err != nil {
		return p, err
	}
	cert, err := LoadCertificate(certFile)
	if err != nil {
		return p, err
	}
	if err := check(cert, time.Now()); err != nil {
		return p, fmt.Errorf("certificate %s: %w", certFile, err)
	}
	dir, err := copies(conf, data)
	if err != nil {
		return p, err
	}
	if err := atomicfile.MkdirAll(dir, 0o700); err != nil {
		return p, err
	}
	p.Cert, p.CertFile = cert, filepath.Join(dir, strings.ToLower(string(p.Kind)+"-"+p.Name)+".pem")
	return p, edit(conf, dir, func(f *conffile.File) error {
		for _, e := range entries(f, p.Kind) {
			switch {
			case strings.EqualFold(e.Name, p.Name):
				return fmt.Errorf("%s %w", e.Name, ErrRegistered)
			case e.err == nil && e.Cert.Equal(cert):
				return fmt.Errorf("this certificate %w, as %s", ErrRegistered, e.Name)
			}
		}
		// The copy first: a section without one would be an error from then on.
		if err := atomicfile.WriteFile(p.CertFile, encodeCert(cert), 0o644); err != nil {
			return err
		}
		return p.write(f)
	})
}

func (p Peer) write(f *conffile.File) error {
	section := string(p.Kind) + " " + p.Name
	if p.Kind == Appliance {
		if p.Port == 0 {
			p.Port = DefaultPort
		}
		if err := errors.Join(f.Set(section, keyHost, p.Host), f.Set(section, keyPort, strconv.Itoa(p.Port))); err != nil {
			return err
		}
	}
	return f.Set(section, keyCert, p.CertFile)
}

// Delete removes a peer from the configuration file, then the copy of its
// certificate.
func Delete(conf, data string, kind Kind, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	dir, err := copies(conf, data)
	if err != nil {
		return err
	}
	return edit(conf, dir, func(f *conffile.File) error {
		found := false
		for again := true; again; { // a section that another of that name hid must not come to light
			again = false
			for _, e := range entries(f, kind) {
				if strings.EqualFold(e.Name, name) && f.RemoveSection(e.section) {
					found, again = true, true
				}
			}
		}
		if !found {
			return fmt.Errorf("%s %w", name, ErrNotRegistered)
		}
		return nil
	})
}

// Listed is a registered peer as it is shown.
type Listed struct {
	Name        string    `json:"name"`
	Host        string    `json:"ip,omitempty"`
	Port        int       `json:"port,omitempty"`
	CommonName  string    `json:"commonName"`
	ValidFrom   time.Time `json:"validFrom,omitzero"`
	Expires     time.Time `json:"expires,omitzero"`
	Fingerprint string    `json:"sha256"`
	CertFile    string    `json:"certFile"`
	Problem     string    `json:"problem,omitempty"` // why it is not accepted, if so
}

// List returns the registered peers of one kind sorted by name, those too that
// are not in order.
func List(conf string, kind Kind) ([]Listed, error) {
	f, err := readConf(conf)
	if err != nil {
		return nil, err
	}
	all, now := []Listed{}, time.Now()
	for _, e := range entries(f, kind) {
		l := Listed{Name: e.Name, CertFile: e.CertFile}
		if kind == Appliance {
			l.Host, l.Port = e.Host, e.Port
		}
		if e.err != nil {
			l.Problem = e.err.Error()
		} else {
			l.CommonName, l.Fingerprint = CommonName(e.Cert), Fingerprint(e.Cert)
			l.ValidFrom, l.Expires = e.Cert.NotBefore, e.Cert.NotAfter
			if err := check(e.Cert, now); err != nil {
				l.Problem = err.Error()
			} else if now.Before(e.Cert.NotBefore) {
				l.Problem = "it is not valid before " + day(e.Cert.NotBefore) + ": check the clocks of both hosts"
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// copies returns the folder of the certificates that are registered in one
// configuration file. Two daemons share a data folder, and each may know an
// administrator of the same name.
func copies(conf, data string) (string, error) {
	real, err := atomicfile.Resolve(conf)
	if err != nil {
		return "", fmt.Errorf("%s: %w", conf, err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return "", err
	}
	if data, err = filepath.Abs(data); err != nil {
		return "", err
	}
	base := filepath.Base(real)
	sum := sha256.Sum256([]byte(real))
	return filepath.Join(data, "cert", "registered", fmt.Sprintf("%s-%x", strings.TrimSuffix(base, filepath.Ext(base)), sum[:4])), nil
}

// edit changes the configuration file under its lock. Before, and afterwards
// however that went, copies go that no section names: those that a crash left,
// and the one of a peer that was just deleted.
func edit(conf, dir string, change func(*conffile.File) error) error {
	err := conffile.Edit(conf, func(f *conffile.File) error {
		if err := sweep(f, dir); err != nil {
			return err
		}
		return change(f)
	})
	swept := conffile.Edit(conf, func(f *conffile.File) error { return sweep(f, dir) })
	if err != nil {
		return err
	}
	return swept
}

func sweep(f *conffile.File, dir string) error {
	var named []string
	for _, s := range f.Sections() {
		if path, _, ok := f.Get(s, keyCert); ok {
			named = append(named, filepath.Clean(path))
		}
	}
	return atomicfile.AsOwner(dir, func() error {
		files, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, f := range files {
			path := filepath.Join(dir, f.Name())
			if filepath.Ext(path) == ".pem" && !slices.Contains(named, path) {
				if err := os.Remove(path); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
