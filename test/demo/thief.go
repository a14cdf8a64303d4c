package main

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"openped/certs"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
)

// thief is somebody with a copy of an orange key and its PIN, who poses as the
// HSM that it belongs to.
type thief struct {
	rpk   *ecdh.PrivateKey
	cert  []byte
	chain [][]byte // of the real HSM, as it passed over the wire: static, issuing, root
}

// steal copies the orange key's file and picks the HSM's chain from the wire.
func (d *demo) steal() (*thief, error) {
	key, err := rpv.DirStore{Dir: d.stage.Path("keys")}.Load(operator.key)
	if err != nil {
		return nil, err
	}
	set := key.Current
	if set == nil {
		set = key.Pending
	}
	if set == nil || set.RPK == nil || len(set.RPK.Certs) == 0 {
		return nil, errors.New("the orange key holds no key pair")
	}
	t := &thief{cert: set.RPK.Certs[0].DER}
	if t.rpk, err = set.RPK.Key(); err != nil {
		return nil, err
	}
	if t.chain, err = chainFrom(d.relay.Recorded()); err != nil {
		return nil, err
	}
	return t, nil
}

// chainFrom finds the certificates of an HSM in a recording of the link: DER
// that follows its length, as Hello has it.
func chainFrom(log []byte) ([][]byte, error) {
	var chain [][]byte
	for i := 0; i+4 < len(log) && len(chain) < 3; i++ {
		n := int(log[i])<<8 | int(log[i+1])
		if n < 256 || n > certs.MaxCert || i+2+n > len(log) || log[i+2] != 0x30 || log[i+3] != 0x82 {
			continue
		}
		der := log[i+2 : i+2+n]
		if int(der[2])<<8|int(der[3]) != n-4 {
			continue
		}
		chain = append(chain, bytes.Clone(der))
		i += 1 + n
	}
	if len(chain) < 3 {
		return nil, fmt.Errorf("%d certificates found on the wire, not 3", len(chain))
	}
	return chain, nil
}

// attack connects to pedserver as pedclient would, poses as the HSM with the
// RPK in place of the HSM's static key, and returns what the PED answers.
func (t *thief) attack(addr string) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return nil, err
	}
	u, hello, err := channel.NewU(channel.UConfig{
		Mode: channel.ModeRPV, Serial: serial1, Label: "demo", Firmware: "7.7.0",
		Chain: [][]byte{t.cert, t.chain[1], t.chain[2]}, Static: t.rpk, Verifier: noVerifier{},
	})
	if err != nil {
		return nil, err
	}
	defer u.Wipe()
	for _, b := range []protocol.Body{
		protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion, Software: "pedclient"},
		protocol.Acquire{HSMSerial: serial1},
		protocol.PEDFrame{Bytes: hello},
	} {
		if err := protocol.WriteBody(conn, b); err != nil {
			return nil, err
		}
	}
	for {
		f, err := protocol.ReadFrame(conn)
		if err != nil {
			return nil, err
		}
		body, err := f.Decode()
		if err != nil {
			return nil, err
		}
		switch b := body.(type) {
		case protocol.PEDFrame:
			// Leaves as it should: the next in line wants the PED.
			if err := protocol.WriteBody(conn, protocol.Release{}); err == nil {
				_, _ = io.Copy(io.Discard, conn)
			}
			return b.Bytes, nil
		case protocol.Error:
			return nil, fmt.Errorf("pedserver: %w", b)
		case protocol.Busy:
			return nil, errors.New("pedserver: the PED is busy")
		}
	}
}

// noVerifier is all a thief needs: it does not want to know who answers.
type noVerifier struct{}

func (noVerifier) VerifyHSM([][]byte, bool) (channel.Identity, *ecdh.PublicKey, error) {
	return channel.Identity{}, nil, errors.New("not wanted")
}

func (noVerifier) VerifyRPK([]byte) (*ecdh.PublicKey, error) { return nil, errors.New("not wanted") }

// needle is a secret to look for.
type needle struct {
	name  string
	value []byte
}

// secrets collects what must not have passed in clear: what people typed, and
// what the keys hold, opened with their PINs.
func (d *demo) secrets() ([]needle, error) {
	var out []needle
	for _, pw := range d.passwords {
		out = append(out, needle{"a one-time password", []byte(pw)})
	}
	store := rpv.DirStore{Dir: d.stage.Path("keys")}
	for _, c := range []custodian{operator, other, blue1, blue2, blue3, domain} {
		out = append(out, needle{"the PIN of " + c.key, []byte(c.pin)})
		key, err := store.Load(c.key)
		if err != nil {
			return nil, err
		}
		set := key.Current
		if set == nil {
			set = key.Pending
		}
		if set == nil {
			return nil, fmt.Errorf("%s is blank", c.key)
		}
		share, err := set.Unmask([]byte(c.pin))
		if err != nil {
			return nil, err
		}
		out = append(out,
			needle{"the share on " + c.key, bytes.Clone(share.Bytes()[:16])},
			needle{"the masked share on " + c.key, bytes.Clone(set.Masked[:16])})
		share.Destroy()
		if set.RPK != nil {
			out = append(out, needle{"the private key on " + c.key, bytes.Clone(set.RPK.Private.Bytes()[2:])})
		}
		key.Destroy()
	}
	for n := range 2 {
		if _, err := os.Stat(d.hsmFile(n + 1)); err != nil {
			return nil, err
		}
	}
	return out, nil
}
