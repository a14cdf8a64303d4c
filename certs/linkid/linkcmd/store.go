package linkcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"openped/certs/linkid"
	"openped/internal/cmdline"
	"openped/internal/conffile"
	"openped/internal/rc"
	"openped/internal/setting"
)

// Store is what a running daemon has read of its own identity and of registered
// peers. It is safe for concurrent use.
type Store struct {
	path  string
	log   *slog.Logger
	kinds []linkid.Kind
	now   atomic.Pointer[contents]
}

type contents struct {
	identity   *linkid.Identity
	registries map[linkid.Kind]*linkid.Registry
}

// Open reads the identity that v names and the peers of these kinds that the
// configuration file at path has registered.
func Open(path string, v *setting.Values, log *slog.Logger, kinds ...linkid.Kind) (*Store, error) {
	s := &Store{path: path, log: log, kinds: kinds}
	return s, s.Reload(v)
}

// Reload reads everything again. If it fails nothing has changed.
func (s *Store) Reload(v *setting.Values) error {
	id, err := Identity(v)
	if err != nil {
		return err
	}
	f, err := conffile.Load(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = conffile.New(), nil
	}
	if err != nil {
		return err
	}
	next := &contents{id, map[linkid.Kind]*linkid.Registry{}}
	for _, k := range s.kinds {
		r, err := linkid.LoadRegistry(f, k)
		if err != nil { // of single peers: the others count
			s.log.Warn("registered peers left out", "kind", string(k), "err", err)
		}
		next.registries[k] = r
	}
	if id != nil {
		if p := id.Problem(time.Now()); p != "" {
			s.log.Warn("own certificate", "problem", p)
		}
	}
	s.now.Store(next)
	return nil
}

// Identity returns the daemon's own identity, or nil.
func (s *Store) Identity() *linkid.Identity { return s.now.Load().identity }

// Peers returns a function that returns the registered peers of a kind.
func (s *Store) Peers(kind linkid.Kind) func() *linkid.Registry {
	return func() *linkid.Registry { return s.now.Load().registries[kind] }
}

// Identity reads the identity that the settings name; nil if they name none.
func Identity(v *setting.Values) (*linkid.Identity, error) {
	cert, key := v.Text(certSetting), v.Text(keySetting)
	switch {
	case cert == "" && key == "":
		return nil, nil
	case cert == "" || key == "":
		return nil, &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.BadConfig,
			Err: errors.New("CertFile and PrivKeyFile belong together, and one is missing"), Hint: "-regen makes and names both"}
	}
	id, err := linkid.Load(cert, key)
	if err != nil {
		code := rc.BadCertificate
		if errors.Is(err, fs.ErrPermission) {
			code = rc.AccessDenied
		}
		return nil, &cmdline.ExitError{Code: cmdline.ExitFailed, RC: code, Err: fmt.Errorf("own certificate: %w", err), Hint: "-regen makes a new one"}
	}
	return id, nil
}

// NoIdentity is the error of what needs an identity where there is none.
func NoIdentity(what string) error {
	return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.NoIdentity,
		Err: errors.New(what + " needs a certificate, and there is none"), Hint: "make it with -regen -commonname <name>"}
}
