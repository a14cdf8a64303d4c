package wycheproof

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/c2sp/wycheproof"

	"openped/protocol/kas"
)

type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

type group struct {
	KeySize      int      `json:"keySize"`
	TagSize      int      `json:"tagSize"`
	Encoding     string   `json:"encoding"`
	PublicKeyDER hexBytes `json:"publicKeyDer"`
	Tests        []vector `json:"tests"`
}

type vector struct {
	ID      int      `json:"tcId"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"`
	Result  string   `json:"result"`

	Key     hexBytes `json:"key"`
	Msg     hexBytes `json:"msg"`
	CT      hexBytes `json:"ct"`
	Tag     hexBytes `json:"tag"`
	Sig     hexBytes `json:"sig"`
	Public  hexBytes `json:"public"`
	Private hexBytes `json:"private"`
	Shared  hexBytes `json:"shared"`
	Seed    hexBytes `json:"seed"`
	M       hexBytes `json:"m"`
	EK      hexBytes `json:"ek"`
	C       hexBytes `json:"c"`
	K       hexBytes `json:"K"`
}

// run calls check on every vector of a file and wants it to succeed for the
// valid ones only; acceptable decides about the others. It asserts how many
// there are at least, so that a file that changes its shape is seen.
func run(t *testing.T, file string, atLeast int, use func(*group) bool, acceptable func(*vector) bool, check func(*group, *vector) error) {
	t.Helper()
	f, err := wycheproof.TestVectors.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all struct {
		Groups []group `json:"testGroups"`
	}
	if err := json.NewDecoder(f).Decode(&all); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for i := range all.Groups {
		g := &all.Groups[i]
		if use != nil && !use(g) {
			continue
		}
		for j := range g.Tests {
			v := &g.Tests[j]
			count[v.Result]++
			want := v.Result == "valid"
			if v.Result == "acceptable" {
				want = acceptable != nil && acceptable(v)
			}
			if err := check(g, v); (err == nil) != want {
				t.Errorf("%d (%s, %s %v): got error %v", v.ID, v.Comment, v.Result, v.Flags, err)
			}
		}
	}
	t.Logf("%v", count)
	if n := count["valid"] + count["invalid"] + count["acceptable"]; n < atLeast || count["valid"] == 0 {
		t.Errorf("%d vectors ran, want at least %d: %v", n, atLeast, count)
	}
}

var errWrong = errors.New("wrong result")

func same(got, want []byte, err error) error {
	if err == nil && !bytes.Equal(got, want) {
		return errWrong
	}
	return err
}

// decoded by crypto/ecdh, agreed upon by kas: as the channel does.
func agree(v *vector, public *ecdh.PublicKey) error {
	scalar := bytes.TrimLeft(v.Private, "\x00")
	if len(scalar) > 66 {
		return errWrong
	}
	private, err := ecdh.P521().NewPrivateKey(append(make([]byte, 66-len(scalar)), scalar...))
	if err != nil {
		return err
	}
	z, err := kas.DH(private, public)
	return same(z, v.Shared, err)
}

func TestECDHPoint(t *testing.T) {
	run(t, "ecdh_secp521r1_ecpoint_test.json", 600, nil, nil, func(_ *group, v *vector) error {
		public, err := ecdh.P521().NewPublicKey(v.Public)
		if err != nil {
			return err
		}
		return agree(v, public)
	})
}

// TestECDHSubjectPublicKeyInfo decodes keys by the rule of certs: what
// crypto/x509 reads must be what it would write. Its parser alone lets elements
// pass that are appended to a sequence.
func TestECDHSubjectPublicKeyInfo(t *testing.T) {
	run(t, "ecdh_secp521r1_test.json", 800, nil, nil, func(_ *group, v *vector) error {
		parsed, err := x509.ParsePKIXPublicKey(v.Public)
		if err != nil {
			return err
		}
		key, ok := parsed.(*ecdsa.PublicKey)
		if !ok {
			return errWrong
		}
		if canonical, err := x509.MarshalPKIXPublicKey(key); err != nil || !bytes.Equal(canonical, v.Public) {
			return errWrong
		}
		public, err := key.ECDH()
		if err != nil {
			return err
		}
		if public.Curve() != ecdh.P521() {
			return errWrong
		}
		return agree(v, public)
	})
}

func TestECDSA(t *testing.T) {
	run(t, "ecdsa_secp521r1_sha512_test.json", 500, nil, nil, func(g *group, v *vector) error {
		parsed, err := x509.ParsePKIXPublicKey(g.PublicKeyDER)
		if err != nil {
			return err
		}
		digest := sha512.Sum512(v.Msg)
		if !ecdsa.VerifyASN1(parsed.(*ecdsa.PublicKey), digest[:], v.Sig) {
			return errWrong
		}
		return nil
	})
}

func TestKWP(t *testing.T) {
	use := func(g *group) bool { return g.KeySize == 256 }
	run(t, "aes_kwp_test.json", 50, use, nil, func(_ *group, v *vector) error {
		pt, err := kas.UnwrapKWP(v.Key, v.CT)
		if err := same(pt, v.Msg, err); err != nil {
			return err
		}
		ct, err := kas.WrapKWP(v.Key, v.Msg)
		return same(ct, v.CT, err)
	})
}

func TestHMAC(t *testing.T) {
	run(t, "hmac_sha512_test.json", 150, nil, nil, func(g *group, v *vector) error {
		if !kas.VerifyTag(sha512.New, v.Key, v.Msg, v.Tag, g.TagSize/8) {
			return errWrong
		}
		return same(kas.HMACSHA512(v.Key, v.Msg)[:g.TagSize/8], v.Tag, nil)
	})
}

func TestMLKEM(t *testing.T) {
	run(t, "mlkem_1024_test.json", 150, nil, nil, func(_ *group, v *vector) error {
		dk, err := mlkem.NewDecapsulationKey1024(v.Seed)
		if err != nil {
			return err
		}
		if len(v.EK) > 0 && !bytes.Equal(dk.EncapsulationKey().Bytes(), v.EK) {
			return errWrong
		}
		k, err := dk.Decapsulate(v.C)
		return same(k, v.K, err)
	})
}

func TestMLKEMKeyGen(t *testing.T) {
	run(t, "mlkem_1024_keygen_seed_test.json", 50, nil, nil, func(_ *group, v *vector) error {
		dk, err := mlkem.NewDecapsulationKey1024(v.Seed)
		if err != nil {
			return err
		}
		return same(dk.EncapsulationKey().Bytes(), v.EK, nil)
	})
}

func TestMLKEMEncapsulation(t *testing.T) {
	run(t, "mlkem_1024_encaps_test.json", 200, nil, nil, func(_ *group, v *vector) error {
		ek, err := mlkem.NewEncapsulationKey1024(v.EK)
		if err != nil {
			return err
		}
		k, c, err := mlkemtest.Encapsulate1024(ek, v.M)
		if err != nil {
			return err
		}
		return errors.Join(same(k, v.K, nil), same(c, v.C, nil))
	})
}

// TestAcceptableIsDecided names what "acceptable" covers in the files above, so
// that a new kind gets a decision instead of slipping in.
func TestAcceptableIsDecided(t *testing.T) {
	decided := []string{"CompressedPublic", "CompressedPoint", "InvalidAsn", "WrongOrder", "UnusedParam", "UnnamedCurve", "ModifiedGenerator", "ModifiedCofactor", "NoCofactor", "ModifiedCurveParameter"}
	for _, file := range []string{"ecdh_secp521r1_ecpoint_test.json", "ecdh_secp521r1_test.json"} {
		run(t, file, 600, nil, func(v *vector) bool {
			for _, f := range v.Flags {
				if !slices.Contains(decided, f) {
					t.Errorf("%s %d: %s is not decided", file, v.ID, f)
				}
			}
			return true
		}, func(_ *group, v *vector) error {
			if v.Result == "invalid" {
				return errWrong
			}
			return nil
		})
	}
}
