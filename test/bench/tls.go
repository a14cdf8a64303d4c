package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"time"
)

// newTLS returns one full mutual TLS 1.3 handshake of crypto/tls over a pipe in
// memory, both sides, from the first call until both sides are done.
//
// It is made as near to ours as TLS allows: key exchange on P-521 only,
// certificates on P-521 with SHA-512, and chains of the same depth on each
// side. The HSM is the server; it shows leaf and issuing certificate, to be
// verified up to an origin root that the PED knows: two signatures. The PED is
// the client; it shows a leaf that the HSM's own issuing key has signed, which
// is what an RPK certificate is: one signature. Session tickets are off, on a
// connection that is new each time.
//
// It does less than ours in one thing, ML-KEM, and agrees once where ours agrees
// four times; it signs (twice) and verifies the peers' signatures (twice) where
// ours uses static keys. crypto/tls remembers parsed certificates, but not that
// it has verified them.
func newTLS() (func() error, error) {
	p, err := newTLSPair()
	if err != nil {
		return nil, err
	}
	return func() error {
		_, _, err := p.connect()
		return err
	}, nil
}

type tlsPair struct{ client, server *tls.Config }

func newTLSPair() (*tlsPair, error) {
	root, err := newTLSParty("origin", nil)
	if err != nil {
		return nil, err
	}
	issuing, err := newTLSParty("issuing", root)
	if err != nil {
		return nil, err
	}
	hsm, err := newTLSParty("hsm", issuing)
	if err != nil {
		return nil, err
	}
	ped, err := newTLSParty("ped", issuing)
	if err != nil {
		return nil, err
	}
	base := tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP521}, SessionTicketsDisabled: true}
	client, server := base.Clone(), base.Clone()
	client.RootCAs, client.ServerName = pool(root), "hsm"
	client.Certificates = []tls.Certificate{{Certificate: [][]byte{ped.cert.Raw}, PrivateKey: ped.key, Leaf: ped.cert}}
	server.ClientCAs, server.ClientAuth = pool(issuing), tls.RequireAndVerifyClientCert
	server.Certificates = []tls.Certificate{{Certificate: [][]byte{hsm.cert.Raw, issuing.cert.Raw}, PrivateKey: hsm.key, Leaf: hsm.cert}}
	return &tlsPair{client, server}, nil
}

// connect is one handshake.
func (p *tlsPair) connect() (client, server tls.ConnectionState, err error) {
	a, b := memoryPipe()
	c, s := tls.Client(a, p.client), tls.Server(b, p.server)
	done := make(chan error, 1)
	go func() {
		err := s.Handshake()
		if err != nil {
			b.Close() // the client is not left waiting
		}
		done <- err
	}()
	if err = c.Handshake(); err != nil {
		a.Close()
	}
	err = errors.Join(err, <-done)
	return c.ConnectionState(), s.ConnectionState(), err
}

type tlsParty struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// newTLSParty makes a certificate signed by by, or by itself.
func newTLSParty(name string, by *tlsParty) (*tlsParty, error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p := &tlsParty{key: key}
	ca := name == "origin" || name == "issuing"
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		SignatureAlgorithm: x509.ECDSAWithSHA512, BasicConstraintsValid: true, IsCA: ca,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if ca {
		t.KeyUsage = x509.KeyUsageCertSign
	}
	if by == nil {
		by = &tlsParty{key: key, cert: t}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, by.cert, &key.PublicKey, by.key)
	if err != nil {
		return nil, err
	}
	p.cert, err = x509.ParseCertificate(der)
	return p, err
}

func pool(p *tlsParty) *x509.CertPool {
	c := x509.NewCertPool()
	c.AddCert(p.cert)
	return c
}
