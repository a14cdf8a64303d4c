package linkid

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"openped/internal/atomicfile"
	"openped/internal/conffile"
)

// Kind is what a peer is registered as. It is the first word of the peer's
// section in the configuration file.
type Kind string

// The kinds.
const (
	Appliance     Kind = "Appliance"     // a PEDclient that PEDserver dials
	PEDServer     Kind = "PedServer"     // a PEDserver that PEDclient talks to
	Administrator Kind = "Administrator" // who may administer the daemon over the network
)

// service is what the connection is for, in TLS's own words (ALPN). With it a
// connection for the one port can not be led to the other, where the same
// certificates count.
func (k Kind) service() string {
	if k == Administrator {
		return "http/1.1"
	}
	return "openped-link"
}

// Keys of a peer's section.
const (
	keyHost = "IP"
	keyPort = "Port"
	keyCert = "CertFile"
)

// DefaultPort is where a PEDclient waits for PEDservers.
const DefaultPort = 9697

// Peer is a registered peer.
type Peer struct {
	Kind     Kind
	Name     string
	Cert     *x509.Certificate
	CertFile string
	Host     string // of an appliance
	Port     int
}

// Registry holds the registered peers of one kind as they were when it was read.
// It does not change, and is safe for concurrent use. A nil Registry is empty.
type Registry struct {
	kind  Kind
	peers []Peer // sorted by name
}

// Only returns a registry of one peer, for who was given a certificate file
// instead of a registration.
func Only(kind Kind, name string, cert *x509.Certificate) *Registry {
	return &Registry{kind: kind, peers: []Peer{{Kind: kind, Name: name, Cert: cert}}}
}

// LoadRegistry reads the peers of one kind that a configuration file names. A
// peer whose section or certificate file is not in order is left out and part of
// the error; the registry is there nevertheless.
func LoadRegistry(f *conffile.File, kind Kind) (*Registry, error) {
	r := &Registry{kind: kind}
	var bad []string
	for _, e := range entries(f, kind) {
		if e.err != nil {
			bad = append(bad, e.err.Error())
			continue
		}
		r.peers = append(r.peers, e.Peer)
	}
	if bad != nil {
		return r, errors.New(strings.Join(bad, "; "))
	}
	return r, nil
}

// ReadRegistry is LoadRegistry for the file at path, which may be missing.
func ReadRegistry(path string, kind Kind) (*Registry, error) {
	f, err := readConf(path)
	if err != nil {
		return &Registry{kind: kind}, err
	}
	return LoadRegistry(f, kind)
}

func readConf(path string) (*conffile.File, error) {
	f, err := conffile.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return conffile.New(), nil
	}
	return f, err
}

// entry is a section that registers somebody, in order or not.
type entry struct {
	Peer
	section string
	err     error
}

// entries returns the sections of one kind, sorted by name, the first of each
// name.
func entries(f *conffile.File, kind Kind) []entry {
	var all []entry
	for _, s := range f.Sections() {
		word, name, ok := strings.Cut(s, " ")
		if name = strings.TrimSpace(name); !ok || !strings.EqualFold(word, string(kind)) {
			continue
		}
		if slices.ContainsFunc(all, func(e entry) bool { return strings.EqualFold(e.Name, name) }) {
			continue
		}
		e := entry{Peer: Peer{Kind: kind, Name: name, Port: DefaultPort}, section: s}
		if err := e.read(f); err != nil {
			e.err = fmt.Errorf("section %q: %w", s, err)
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return all
}

func (e *entry) read(f *conffile.File) (err error) {
	if err := checkName(e.Name); err != nil {
		e.Name = "?"
		return err
	}
	e.Host, _, _ = f.Get(e.section, keyHost)
	if port, line, ok := f.Get(e.section, keyPort); ok {
		if e.Port, err = strconv.Atoi(port); err != nil || e.Port < 1 || e.Port > 65535 {
			return fmt.Errorf("line %d: %s is a number from 1 to 65535", line, keyPort)
		}
	}
	var ok bool
	if e.CertFile, _, ok = f.Get(e.section, keyCert); !ok {
		return fmt.Errorf("has no %s", keyCert)
	}
	if !filepath.IsAbs(e.CertFile) {
		return fmt.Errorf("%s must be a path from the root", keyCert)
	}
	// Whoever could exchange the copy must not show root another's file.
	return atomicfile.AsOwner(filepath.Dir(e.CertFile), func() error {
		e.Cert, err = LoadCertificate(e.CertFile)
		return err
	})
}

// Kind returns what the peers of r are registered as.
func (r *Registry) Kind() Kind {
	if r == nil {
		return ""
	}
	return r.kind
}

// Peers returns the registered peers, sorted by name.
func (r *Registry) Peers() []Peer {
	if r == nil {
		return nil
	}
	return slices.Clone(r.peers)
}

// Lookup finds a peer by its name, in letters of either case.
func (r *Registry) Lookup(name string) (Peer, bool) {
	return r.find(func(p Peer) bool { return strings.EqualFold(p.Name, name) })
}

// Match finds the peer whose certificate is byte for byte this one.
func (r *Registry) Match(cert *x509.Certificate) (Peer, bool) {
	return r.find(func(p Peer) bool { return bytes.Equal(p.Cert.Raw, cert.Raw) })
}

func (r *Registry) find(is func(Peer) bool) (Peer, bool) {
	if r == nil {
		return Peer{}, false
	}
	i := slices.IndexFunc(r.peers, is)
	if i < 0 {
		return Peer{}, false
	}
	return r.peers[i], true
}

// judge decides on the certificates that a peer has shown. want is the name of
// the peer that is meant; "" means any.
func (r *Registry) judge(shown []*x509.Certificate, want string, now time.Time) (Peer, *RefusedError) {
	if len(shown) == 0 {
		return Peer{}, &RefusedError{Reason: NoCertificate, Peer: want}
	}
	leaf := shown[0]
	refuse := func(why Reason, name string) (Peer, *RefusedError) {
		return Peer{}, &RefusedError{Reason: why, Peer: name, Fingerprint: Fingerprint(leaf)}
	}
	if !p521(leaf) {
		return refuse(WrongKey, want)
	}
	p, ok := r.Match(leaf)
	switch {
	case !ok:
		return refuse(r.stranger(leaf, want))
	case want != "" && !strings.EqualFold(p.Name, want):
		return refuse(WrongName, want)
	case len(shown) != 1:
		return refuse(Chain, p.Name)
	case now.After(leaf.NotAfter):
		return refuse(Expired, p.Name)
	case now.Before(leaf.NotBefore):
		return refuse(NotYetValid, p.Name)
	}
	return p, nil
}

// stranger says what is the matter with a certificate that is not registered.
func (r *Registry) stranger(leaf *x509.Certificate, want string) (Reason, string) {
	if !selfSigned(leaf) {
		return OtherCA, want
	}
	p, ok := r.Lookup(want)
	if want == "" {
		p, ok = r.find(func(p Peer) bool { return p.Cert.Subject.CommonName == leaf.Subject.CommonName })
	}
	if ok && p.Cert.Subject.CommonName == leaf.Subject.CommonName {
		return Regenerated, p.Name
	}
	return Unregistered, want
}
