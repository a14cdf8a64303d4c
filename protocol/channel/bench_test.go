package channel_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"openped/protocol/channel"
	"openped/protocol/kas"
)

// BenchmarkHandshakeRPV is both sides of a handshake in mode rpv, HSM and PED
// in turn, with an orange key at hand.
func BenchmarkHandshakeRPV(b *testing.B) {
	s := newSetup()
	for b.Loop() {
		r, err := s.run(channel.ModeRPV, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.HSM.Wipe()
		r.PED.Wipe()
	}
}

// BenchmarkPrimitives is the sum of what both sides of that handshake cannot do
// without: 2 key generations, 8 ECDH (4 each: Ze, Zs, X_U, X_V), ML-KEM key
// generation, encapsulation and decapsulation, the chain and the RPK
// certificate (3 signatures), 4 key derivations, 6 confirmation tags (3 made, 3
// verified), and the two records.
func BenchmarkPrimitives(b *testing.B) {
	s := newSetup()
	verifier := s.pki.Verifier()
	z := make([]byte, 4*66+32)
	info := make([]byte, 350)
	key, data := make([]byte, 64), make([]byte, 400)
	block, _ := aes.NewCipher(key[:32])
	for b.Loop() {
		eu, _ := ecdh.P521().GenerateKey(rand.Reader)
		ev, _ := ecdh.P521().GenerateKey(rand.Reader)
		dk, _ := mlkem.GenerateKey1024()
		ek, _ := mlkem.NewEncapsulationKey1024(dk.EncapsulationKey().Bytes())
		_, ct := ek.Encapsulate()
		if _, err := dk.Decapsulate(ct); err != nil {
			b.Fatal(err)
		}
		if _, _, err := verifier.VerifyHSM(s.hsm.Chain, false); err != nil {
			b.Fatal(err)
		}
		if _, err := s.hsm.VerifyRPK(s.rpk.Cert); err != nil {
			b.Fatal(err)
		}
		for _, own := range []*ecdh.PrivateKey{eu, ev, s.hsm.Static, s.rpk.Private} {
			for _, peer := range []*ecdh.PublicKey{ev.PublicKey(), s.hsm.Static.PublicKey()} {
				own.ECDH(peer)
			}
		}
		for range 2 {
			kas.OneStepKDF(sha512.New, z[:164], info, 256)
			kas.OneStepKDF(sha512.New, z, info, 320)
			for range 3 {
				kas.HMACSHA512(key, data)
			}
			for _, n := range []int{1024, 256, 256} { // PedAuth, Confirm, Begin: made and opened
				kas.HMACSHA512(key, make([]byte, n))
				buf := make([]byte, n)
				cipher.NewCTR(block, key[:16]).XORKeyStream(buf, buf)
			}
		}
	}
}

// BenchmarkTLS13Mutual is both sides of a mutual TLS 1.3 handshake with a P-521
// key exchange, P-521 certificates and a chain of the same depth on each side,
// over a pipe in memory, without resumption.
func BenchmarkTLS13Mutual(b *testing.B) {
	client, server := tlsConfigs(b)
	for b.Loop() {
		c, s := memoryPipe()
		cc, sc := tls.Client(c, client), tls.Server(s, server)
		done := make(chan error, 1)
		go func() { done <- sc.Handshake() }()
		if err := cc.Handshake(); err != nil {
			b.Fatal(err)
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func tlsConfigs(tb testing.TB) (client, server *tls.Config) {
	sign := func(name string, key, by *ecdsa.PrivateKey, parent *x509.Certificate, ca bool) []byte {
		c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotAfter: time.Now().Add(time.Hour), IsCA: ca, BasicConstraintsValid: true,
			KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
		if parent == nil {
			parent = c
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
		if err != nil {
			tb.Fatal(err)
		}
		return der
	}
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		return k
	}
	rk := newKey()
	rootDER := sign("root", rk, rk, nil, true)
	root, _ := x509.ParseCertificate(rootDER)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	party := func(name string) tls.Certificate {
		ik, lk := newKey(), newKey()
		issuingDER := sign(name+"-issuing", ik, rk, root, true)
		issuing, _ := x509.ParseCertificate(issuingDER)
		return tls.Certificate{Certificate: [][]byte{sign(name, lk, ik, issuing, false), issuingDER}, PrivateKey: lk}
	}
	base := tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP521}, SessionTicketsDisabled: true}
	client, server = base.Clone(), base.Clone()
	client.Certificates, client.RootCAs, client.ServerName = []tls.Certificate{party("client")}, pool, "server"
	server.Certificates, server.ClientCAs, server.ClientAuth = []tls.Certificate{party("server")}, pool, tls.RequireAndVerifyClientCert
	return client, server
}

// memoryPipe is a buffered pair of connections: writes never wait.
func memoryPipe() (net.Conn, net.Conn) {
	a, b := newQueue(), newQueue()
	return &memoryConn{r: a, w: b}, &memoryConn{r: b, w: a}
}

type queue struct {
	mu   sync.Mutex
	cond *sync.Cond
	buf  []byte
}

func newQueue() *queue { q := &queue{}; q.cond = sync.NewCond(&q.mu); return q }

type memoryConn struct {
	net.Conn // nil: nothing else is called
	r, w     *queue
}

func (c *memoryConn) Read(p []byte) (int, error) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	for len(c.r.buf) == 0 {
		c.r.cond.Wait()
	}
	n := copy(p, c.r.buf)
	c.r.buf = c.r.buf[n:]
	return n, nil
}

func (c *memoryConn) Write(p []byte) (int, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.buf = append(c.w.buf, p...)
	c.w.cond.Signal()
	return len(p), nil
}

func (c *memoryConn) Close() error                { return nil }
func (c *memoryConn) SetDeadline(time.Time) error { return nil }

const recordPayload = 16384

// BenchmarkRecord16K seals and opens records of 16 KiB in turn.
func BenchmarkRecord16K(b *testing.B) {
	r, err := newSetup().run(channel.ModeLocal, nil)
	if err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, recordPayload)
	rec := make([]byte, 0, channel.RecordSize(recordPayload))
	out := make([]byte, 0, channel.RecordSize(recordPayload))
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(recordPayload)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.PED.AppendSeal(rec, payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("both", func(b *testing.B) {
		b.SetBytes(2 * recordPayload)
		b.ReportAllocs()
		for b.Loop() {
			sealed, err := r.HSM.AppendSeal(rec, payload)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := r.PED.AppendOpen(out, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCTRHMAC16K is AES-256-CTR followed by HMAC-SHA-512 over the same bytes.
func BenchmarkCTRHMAC16K(b *testing.B) {
	block, _ := aes.NewCipher(make([]byte, 32))
	mac := hmac.New(sha512.New, make([]byte, 64))
	buf := make([]byte, recordPayload)
	iv := make([]byte, 16)
	var sum [64]byte
	b.SetBytes(recordPayload)
	b.ReportAllocs()
	for b.Loop() {
		cipher.NewCTR(block, iv).XORKeyStream(buf, buf)
		mac.Reset()
		mac.Write(buf)
		mac.Sum(sum[:0])
	}
}

// TestRecordAllocations holds Seal and Open to one allocation, which is the
// standard library's cipher state.
func TestRecordAllocations(t *testing.T) {
	r, err := newSetup().run(channel.ModeLocal, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, recordPayload)
	rec, out := make([]byte, 0, channel.RecordSize(recordPayload)), make([]byte, 0, channel.RecordSize(recordPayload))
	var sealed []byte
	seal := testing.AllocsPerRun(50, func() {
		if sealed, err = r.HSM.AppendSeal(rec, payload); err != nil {
			t.Fatal(err)
		}
	})
	records := make([][]byte, 0, 60)
	r, err = newSetup().run(channel.ModeLocal, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range cap(records) {
		sealed, err = r.HSM.Seal(payload)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, sealed)
	}
	i := 0
	open := testing.AllocsPerRun(50, func() {
		if _, _, err := r.PED.AppendOpen(out, records[i]); err != nil {
			t.Fatal(err)
		}
		i++
	})
	if seal > 1 || open > 1 {
		t.Errorf("%v allocations per sealed record, %v per opened one; want at most 1", seal, open)
	}
}
