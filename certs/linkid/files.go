package linkid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"openped/internal/atomicfile"
	"openped/internal/pemfile"
)

const (
	pemCert = "CERTIFICATE"
	pemKey  = "PRIVATE KEY"

	newSuffix = ".new" // a certificate whose key is not in place yet, or only just

	lockWait = 5 * time.Second
)

// ErrExists means that there is an identity of that name already.
var ErrExists = errors.New("there is one already")

// Dir returns the folder of this host's identities in a data folder.
func Dir(data string) string { return filepath.Join(data, "cert", "client") }

// Save writes the identity to <dir>/<CN>.pem and <dir>/<CN>Key.pem; the folder,
// which it makes, is for its owner alone. Without replace it returns ErrExists
// rather than touch either file.
//
// The two files change as one: the new certificate is put beside the old one,
// then the key is replaced, which decides, then the certificate. Load finishes
// what a crash in between left.
func (i *Identity) Save(dir string, replace bool) (certPath, keyPath string, err error) {
	return i.save(dir, replace, atomicfile.WriteFile)
}

type writeFunc func(path string, data []byte, perm fs.FileMode) error

// save takes the writer, so that tests can let it fail.
func (i *Identity) save(dir string, replace bool, write writeFunc) (certPath, keyPath string, err error) {
	if err := checkName(i.CommonName); err != nil {
		return "", "", fmt.Errorf("common name: %w", err)
	}
	certPath = filepath.Join(dir, i.CommonName+".pem")
	keyPath = filepath.Join(dir, i.CommonName+"Key.pem")
	if err := atomicfile.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	if err := atomicfile.AsOwner(dir, func() error { return i.saveAs(dir, certPath, keyPath, replace, write) }); err != nil {
		return "", "", err
	}
	i.CertPath, i.KeyPath = certPath, keyPath
	return certPath, keyPath, nil
}

func (i *Identity) saveAs(dir, certPath, keyPath string, replace bool, write writeFunc) error {
	unlock, err := atomicfile.LockWait(filepath.Join(dir, ".lock"), lockWait)
	if err != nil {
		return err
	}
	defer unlock()
	for _, path := range []string{certPath, keyPath} {
		if _, err := os.Lstat(path); !replace && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", path, ErrExists)
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		return fmt.Errorf("TLS identity: %w", err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der})
	clear(der)
	defer clear(key)
	cert := encodeCert(i.Cert)
	if err := finish(certPath, keyPath, write); err != nil {
		return err
	}
	for _, f := range []struct {
		path string
		data []byte
		perm fs.FileMode
	}{{certPath + newSuffix, cert, 0o644}, {keyPath, key, 0o600}, {certPath, cert, 0o644}} {
		if err := write(f.path, f.data, f.perm); err != nil {
			return err
		}
	}
	_ = os.Remove(certPath + newSuffix) // Load does not look at it any more
	return nil
}

// finish puts a certificate in place that a crash left beside its key. Without
// that the next crash could leave a key without a certificate.
func finish(certPath, keyPath string, write writeFunc) error {
	id, err := Load(certPath, keyPath)
	if err != nil || id.CertPath == certPath {
		return nil // nothing that could be finished
	}
	return write(certPath, encodeCert(id.Cert), 0o644)
}

// Load reads an identity. Where a crash came between the key and the certificate
// the new certificate is taken from beside the old one.
func Load(certPath, keyPath string) (id *Identity, err error) {
	err = atomicfile.AsOwner(filepath.Dir(keyPath), func() error {
		id, err = load(certPath, keyPath)
		return err
	})
	return id, err
}

func load(certPath, keyPath string) (*Identity, error) {
	key, err := loadKey(keyPath)
	if err != nil {
		return nil, err
	}
	id, err := loadFor(key, certPath)
	if err != nil {
		beside, e := loadFor(key, certPath+newSuffix)
		if e != nil {
			return nil, err
		}
		id = beside
	}
	id.KeyPath = keyPath
	return id, nil
}

func loadFor(key *ecdsa.PrivateKey, certPath string) (*Identity, error) {
	cert, err := LoadCertificate(certPath)
	if err != nil {
		return nil, err
	}
	id, err := newIdentity(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certPath, err)
	}
	id.CertPath = certPath
	return id, nil
}

func loadKey(path string) (*ecdsa.PrivateKey, error) {
	der, err := pemfile.One(path, pemKey)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: not a PKCS #8 private key", path)
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P521() {
		return nil, fmt.Errorf("%s: not a P-521 private key", path)
	}
	return key, nil
}

// LoadCertificate reads a file of one certificate, PEM, at most 64 KiB.
func LoadCertificate(path string) (*x509.Certificate, error) {
	der, err := pemfile.One(path, pemCert)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: not an X.509 certificate", path)
	}
	return c, nil
}

func encodeCert(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: c.Raw})
}
