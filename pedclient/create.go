package pedclient

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"openped/certs"
	"openped/hsm"
	"openped/hsm/virtual"
	"openped/internal/atomicfile"
	"openped/internal/rundir"
)

// Created is what CreateHSM made.
type Created struct {
	NewRoot  bool   // the origin root is new too
	RootFile string // what PEDs get: the root's certificate
	KeyFile  string // what nobody gets
}

// CreateHSM makes a virtual HSM in the new file path, certified by the origin
// root in the folder originDir. Folders are made where there are none. Nothing is
// replaced. What lies in a service's folder is its user's, and made as that user.
func CreateHSM(path, serial, firmware, originDir string, auth hsm.Auth) (c Created, err error) {
	if err := certs.CheckSerial(serial); err != nil {
		return c, err
	}
	if _, err := os.Lstat(path); err == nil {
		return c, fmt.Errorf("%s exists already: choose another file", path)
	}
	for _, p := range []string{path, originDir} {
		if err := rundir.MakeTop(p); err != nil {
			return c, err
		}
	}
	var root *certs.OriginRoot
	err = atomicfile.AsOwner(originDir, func() error {
		root, err = c.origin(originDir)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("origin root: %w; give -origin the folder of the origin root, or one to make it in", err)
	}
	return c, atomicfile.AsOwner(filepath.Dir(path), func() error {
		if err := atomicfile.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		return virtual.Create(path, virtual.CreateOptions{Serial: serial, Firmware: firmware, Origin: root, Auth: auth})
	})
}

// origin loads the origin root in a folder, or makes one.
func (c *Created) origin(originDir string) (*certs.OriginRoot, error) {
	c.RootFile, c.KeyFile = filepath.Join(originDir, "origin.pem"), filepath.Join(originDir, "origin.key")
	root, err := certs.LoadOriginRoot(originDir)
	if errors.Is(err, fs.ErrNotExist) && missing(c.RootFile) && missing(c.KeyFile) {
		c.NewRoot = true
		if root, err = certs.NewOriginRoot("Open Remote PED origin"); err == nil {
			err = root.Save(originDir)
		}
	}
	return root, err
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
