package certs

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"openped/internal/atomicfile"
	"openped/internal/pemfile"
)

// Files of an origin root in its folder.
const (
	RootFile    = "origin.pem" // certificate, public
	RootKeyFile = "origin.key" // private key, PKCS #8, mode 0600
)

const (
	pemCert = "CERTIFICATE"
	pemKey  = "PRIVATE KEY"
)

// ErrRootExists means that a folder holds an origin root already: a second one
// over it would orphan every HSM of the first.
var ErrRootExists = errors.New("the folder holds an origin root already; choose another folder")

// Save writes the root to the files RootFile and RootKeyFile of a folder, which
// it creates with mode 0700. It returns ErrRootExists rather than replace a key.
func (r *OriginRoot) Save(dir string) error {
	if err := atomicfile.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save origin root: %w", err)
	}
	keyPath := filepath.Join(dir, RootKeyFile)
	if _, err := os.Lstat(keyPath); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", dir, ErrRootExists)
	}
	key, err := x509.MarshalPKCS8PrivateKey(r.key)
	if err != nil {
		return fmt.Errorf("save origin root: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: key})
	clear(key)
	defer clear(text)
	// The certificate first: a key without one would be refused on loading.
	if err := atomicfile.WriteFile(filepath.Join(dir, RootFile), RootPEM(r.Cert), 0o644); err != nil {
		return err
	}
	return atomicfile.WriteFile(keyPath, text, 0o600)
}

// LoadOriginRoot reads what Save wrote.
func LoadOriginRoot(dir string) (*OriginRoot, error) {
	certs, err := LoadRoots(filepath.Join(dir, RootFile))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, RootKeyFile)
	der, err := pemfile.Read(path, pemKey)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(der[0])
	clear(der[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return newOriginRoot(certs[0].Raw, key)
}

// RootPEM encodes an origin root's certificate for LoadRoots.
func RootPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: c.Raw})
}

// LoadRoots reads the origin roots, one or more, of a PEM file of at most
// 64 KiB. One that is not an origin root is an error, not skipped.
func LoadRoots(path string) ([]*x509.Certificate, error) {
	ders, err := pemfile.Read(path, pemCert)
	if err != nil {
		return nil, err
	}
	var roots []*x509.Certificate
	for _, der := range ders {
		c, err := ParseRoot(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		roots = append(roots, c)
	}
	return roots, nil
}
