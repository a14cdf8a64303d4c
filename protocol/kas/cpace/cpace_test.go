package cpace

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/cloudflare/circl/group"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func scalar(t testing.TB, s string) group.Scalar {
	t.Helper()
	y := group.Ristretto255.NewScalar()
	if err := y.UnmarshalBinary(unhex(t, s)); err != nil {
		t.Fatal(err)
	}
	return y
}

const (
	draftCI  = "0b415f696e69746961746f720b425f726573706f6e646572"
	draftSID = "7e4b4791d6a8ef019b936c79fb7f2c57"
	draftYA  = "da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08"
	draftYB  = "d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d"
	identity = "0000000000000000000000000000000000000000000000000000000000000000"
)

// TestDraftVectors is draft-irtf-cfrg-cpace-21, B.3, but for the map from the
// generator string to the generator, which is our own: the draft's generator is
// given.
func TestDraftVectors(t *testing.T) {
	str := generatorString([]byte("Password"), unhex(t, draftCI), unhex(t, draftSID))
	if want := "11435061636552697374726574746f3235350850617373776f726464" + strings.Repeat("00", 100) + "18" + draftCI + "10" + draftSID; hex.EncodeToString(str) != want {
		t.Errorf("generator string %x", str)
	}
	g, err := decode(unhex(t, "222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5698c7e56"))
	if err != nil {
		t.Fatal(err)
	}
	a, shareA, err := start(Initiator, g, scalar(t, draftYA), unhex(t, draftSID), []byte("ADa"))
	if err != nil || hex.EncodeToString(shareA) != "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157" {
		t.Fatalf("Ya %x %v", shareA, err)
	}
	b, shareB, err := start(Responder, g, scalar(t, draftYB), unhex(t, draftSID), []byte("ADb"))
	if err != nil || hex.EncodeToString(shareB) != "3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258" {
		t.Fatalf("Yb %x %v", shareB, err)
	}
	if k, err := agree(scalar(t, draftYA), shareB); err != nil || hex.EncodeToString(k) != "80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f917a05fc9887c8b40f" {
		t.Errorf("K %x %v", k, err)
	}
	const isk = "b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447"
	if k, err := a.Finish(shareB, []byte("ADb")); err != nil || hex.EncodeToString(k) != isk {
		t.Errorf("initiator's key %x %v", k, err)
	}
	if k, err := b.Finish(shareA, []byte("ADa")); err != nil || hex.EncodeToString(k) != isk {
		t.Errorf("responder's key %x %v", k, err)
	}
}

// TestDraftScalarMult is B.3.10 and B.3.11.
func TestDraftScalarMult(t *testing.T) {
	y := scalar(t, "7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88cf538a05")
	k, err := agree(y, unhex(t, "2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c"))
	if err != nil || hex.EncodeToString(k) != "7c13645fe790a468f62c39beb7388e541d8405d1ade69d1778c5fe3e7f6b600e" {
		t.Errorf("%x %v", k, err)
	}
	for _, bad := range []string{"2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c", identity} {
		if k, err := agree(y, unhex(t, bad)); !errors.Is(err, ErrShare) || k != nil {
			t.Errorf("%s: %x %v", bad, k, err)
		}
	}
}

// The channel's inputs with password 12345678, TH0 of 64 bytes 0x11 and the
// draft's scalars; computed by an independent implementation of RFC 9380, RFC
// 9496 and the draft.
const (
	profileG   = "7cc09c203074685a5b4ce36edd0f8ce3c34cd7419dbe04bfd71a579988243275"
	profileYA  = "4a4e3c045e10d323dd0a2a283ce76297615870a0d238a1453f12770205dd5c7b"
	profileYB  = "de7215230b81552e5540b91882561914742969da2da1cc401eb69c0eefa2ad04"
	profileKey = "c02dd28346ebd60b9c45957869ac2bd99c524af8ae63b3a45ac40664f1cbddca5ab55c54d6a41c6358944bd4acd882b7a3a38a0481294f43d964418f5d3b31a1"
)

// TestProfileVector fixes the whole of our profile, as docs/SPEC.md prints it.
func TestProfileVector(t *testing.T) {
	password, ci, sid := []byte("12345678"), []byte("openped v1 otp"), bytes.Repeat([]byte{0x11}, 64)
	g := generator(password, ci, sid)
	enc, err := g.MarshalBinaryCompress()
	if err != nil {
		t.Fatal(err)
	}
	a, shareA, err := start(Initiator, g, scalar(t, draftYA), sid, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, shareB, err := start(Responder, g, scalar(t, draftYB), sid, nil)
	if err != nil {
		t.Fatal(err)
	}
	ka, errA := a.Finish(shareB, nil)
	kb, errB := b.Finish(shareA, nil)
	if errA != nil || errB != nil || !bytes.Equal(ka, kb) {
		t.Fatal(errA, errB)
	}
	for name, c := range map[string][2]string{
		"g": {hex.EncodeToString(enc), profileG}, "Ya": {hex.EncodeToString(shareA), profileYA},
		"Yb": {hex.EncodeToString(shareB), profileYB}, "key": {hex.EncodeToString(ka), profileKey},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %s", name, c[0])
		}
	}
}

type input struct {
	password, sid, ci, ad, peerAD string
}

func exchange(t testing.TB, a, b input, change func(share []byte) []byte) (ka, kb []byte) {
	t.Helper()
	u, shareU, err := Start(Initiator, []byte(a.password), []byte(a.sid), []byte(a.ci), []byte(a.ad))
	if err != nil {
		t.Fatal(err)
	}
	v, shareV, err := Start(Responder, []byte(b.password), []byte(b.sid), []byte(b.ci), []byte(b.ad))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		shareU = change(shareU)
	}
	if ka, err = u.Finish(shareV, []byte(a.peerAD)); err != nil {
		t.Fatal(err)
	}
	if kb, err = v.Finish(shareU, []byte(b.peerAD)); err != nil {
		t.Fatal(err)
	}
	if len(ka) != KeySize || len(kb) != KeySize {
		t.Fatal("wrong key size")
	}
	return ka, kb
}

func TestExchange(t *testing.T) {
	a := input{"12345678", "sid", "ci", "a", "b"}
	b := input{"12345678", "sid", "ci", "b", "a"}
	first, same := exchange(t, a, b, nil)
	if !bytes.Equal(first, same) {
		t.Error("keys differ")
	}
	if again, _ := exchange(t, a, b, nil); bytes.Equal(first, again) {
		t.Error("two runs gave one key")
	}
	for name, b := range map[string]input{
		"password":       {"12345679", "sid", "ci", "b", "a"},
		"shorter":        {"1234567", "sid", "ci", "b", "a"},
		"session":        {"12345678", "sie", "ci", "b", "a"},
		"channel":        {"12345678", "sid", "cj", "b", "a"},
		"moved boundary": {"12345678", "ids", "ci", "b", "a"},
		"its data":       {"12345678", "sid", "ci", "c", "a"},
		"my data":        {"12345678", "sid", "ci", "b", "c"},
	} {
		if ka, kb := exchange(t, a, b, nil); bytes.Equal(ka, kb) {
			t.Errorf("%s: keys are equal", name)
		}
	}
	// A share swapped on the way for another valid one.
	if ka, kb := exchange(t, a, b, func([]byte) []byte {
		_, other, err := Start(Initiator, []byte("12345678"), []byte("sid"), []byte("ci"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return other
	}); bytes.Equal(ka, kb) {
		t.Error("a swapped share went unseen")
	}
}

// TestReflection: a party that is sent its own share would end with a key that
// nobody else has, but that tells the two roles apart only by confirmation.
func TestReflection(t *testing.T) {
	for _, role := range []Role{Initiator, Responder} {
		u, share, err := Start(role, []byte("12345678"), []byte("sid"), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if k, err := u.Finish(share, nil); !errors.Is(err, ErrShare) || k != nil {
			t.Errorf("role %d took its own share back: %v", role, err)
		}
	}
}

func TestSharesRefused(t *testing.T) {
	p := unhex(t, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f") // p itself: 0, not canonical
	base, err := group.Ristretto255.Generator().MarshalBinaryCompress()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"nothing":      {},
		"short":        base[:31],
		"long":         append(bytes.Clone(base), 0),
		"identity":     unhex(t, identity),
		"zero as p":    p,
		"one":          append([]byte{1}, make([]byte, 31)...), // negative
		"order 2":      unhex(t, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		"order 4":      unhex(t, "b0a00e4a271beec478e42fad0618432fa7d7fb3d99004d2b0bdfc14f8024832b"),
		"order 8":      unhex(t, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
		"all ones":     bytes.Repeat([]byte{0xff}, 32),
		"high bit":     append(bytes.Clone(base[:31]), base[31]|0x80),
		"not on curve": unhex(t, "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"),
		"non-square":   unhex(t, "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f"),
		"negative xy":  unhex(t, "de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b"),
		"s = -1":       unhex(t, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		"above p":      unhex(t, "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		"edwards base": unhex(t, "5866666666666666666666666666666666666666666666666666666666666666"),
	} {
		u, _, err := Start(Initiator, []byte("12345678"), []byte("sid"), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		k, err := u.Finish(bad, nil)
		if !errors.Is(err, ErrShare) || k != nil {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := u.Finish(base, nil); !errors.Is(err, ErrUsed) {
			t.Errorf("%s: second try got %v", name, err)
		}
	}
}

func TestInputs(t *testing.T) {
	long := make([]byte, MaxInput+1)
	for name, try := range map[string]func() error{
		"no password":   func() error { _, _, err := Start(Initiator, nil, nil, nil, nil); return err },
		"long password": func() error { _, _, err := Start(Initiator, long, nil, nil, nil); return err },
		"long sid":      func() error { _, _, err := Start(Initiator, []byte("1"), long, nil, nil); return err },
		"long ci":       func() error { _, _, err := Start(Initiator, []byte("1"), nil, long, nil); return err },
		"long ad":       func() error { _, _, err := Start(Initiator, []byte("1"), nil, nil, long); return err },
		"no role":       func() error { _, _, err := Start(0, []byte("1"), nil, nil, nil); return err },
		"long peer ad": func() error {
			u, share, err := Start(Initiator, []byte("1"), nil, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = u.Finish(share, long)
			return err
		},
	} {
		if err := try(); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var none *State
	none.Wipe()
	if _, err := none.Finish(nil, nil); !errors.Is(err, ErrUsed) {
		t.Errorf("nil: %v", err)
	}
}

func TestFinishOnceAndWipe(t *testing.T) {
	u, _, err := Start(Initiator, []byte("12345678"), []byte("sid"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, share, err := Start(Responder, []byte("12345678"), []byte("sid"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	y := u.scalar
	if _, err := u.Finish(share, nil); err != nil {
		t.Fatal(err)
	}
	if !y.IsZero() {
		t.Error("the scalar outlives Finish")
	}
	if _, err := u.Finish(share, nil); !errors.Is(err, ErrUsed) {
		t.Errorf("second Finish: %v", err)
	}
}

func TestLVCat(t *testing.T) {
	for _, c := range []struct {
		n      int
		prefix string
	}{{0, "00"}, {1, "01"}, {127, "7f"}, {128, "8001"}, {300, "ac02"}, {4096, "8020"}, {16384, "808001"}} {
		got := lvCat(make([]byte, c.n))
		if len(got) != lvSize(c.n) || hex.EncodeToString(got[:len(got)-c.n]) != c.prefix {
			t.Errorf("%d: %x", c.n, got[:len(got)-c.n])
		}
	}
	// A long password leaves no room for padding, and none is made.
	if got := generatorString(make([]byte, 200), nil, nil); len(got) != lvSize(len(dsi))+lvSize(200)+1+1+1 {
		t.Errorf("%d bytes", len(got))
	}
}

func FuzzFinish(f *testing.F) {
	_, share, err := Start(Responder, []byte("12345678"), []byte("sid"), nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(share)
	f.Add(unhex(f, identity))
	f.Add(share[:31])
	y := group.Ristretto255.NewScalar().SetUint64(5)
	f.Fuzz(func(t *testing.T, share []byte) {
		k, err := agree(y, share)
		if (err == nil) != (len(k) == ShareSize) || (err != nil && !errors.Is(err, ErrShare)) {
			t.Fatalf("%x: %x %v", share, k, err)
		}
	})
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		if _, _, err := Start(Initiator, []byte("12345678"), make([]byte, 64), nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	_, share, err := Start(Responder, []byte("12345678"), make([]byte, 64), nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		u, _, err := Start(Initiator, []byte("12345678"), make([]byte, 64), nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := u.Finish(share, nil); err != nil {
			b.Fatal(err)
		}
	}
}
