package vectorset

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vectorsDir is where NIST's files lie: they are not part of the project.
func vectorsDir(t *testing.T) string {
	dir := os.Getenv("OPENPED_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "vectors")
	} else if !filepath.IsAbs(dir) {
		dir = filepath.Join("..", "..", "..", dir)
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("OPENPED_VECTORS: %v", err)
		}
		t.Skipf("no vectors: %v", err)
	}
	return dir
}

// TestOfficialVectors checks every supported set in the folder. What is skipped
// is asserted, so that nothing drops out of scope unseen.
func TestOfficialVectors(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(vectorsDir(t), "*", "prompt.json"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no vector sets: %v", err)
	}
	for _, prompt := range dirs {
		dir := filepath.Dir(prompt)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if _, ok := answerers[filepath.Base(dir)]; !ok {
				t.Skip("algorithm out of scope")
			}
			expected := read(t, filepath.Join(dir, "expectedResults.json"))
			set, err := Answer(read(t, prompt), expected)
			if err != nil {
				t.Fatal(err)
			}
			result, err := set.Check(expected)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(result)
			if err := result.Err(); err != nil {
				t.Error(err, result.Failures)
			}
			for _, s := range set.Skipped {
				if !strings.HasPrefix(s.Reason, "test type AFT") && !strings.HasPrefix(s.Reason, "MAC ") &&
					!strings.HasPrefix(s.Reason, "scheme ") && !strings.HasPrefix(s.Reason, "curve ") &&
					!strings.HasSuffix(s.Reason, "-bit keys") && !strings.HasPrefix(s.Reason, "wrapping with") {
					t.Errorf("group %d skipped: %s", s.Group, s.Reason)
				}
			}
			tamper(t, set, expected)
		})
	}
}

// tamper shows that the comparison sees a single wrong answer of any shape.
func tamper(t *testing.T, set *Set, expected []byte) {
	t.Helper()
	raw, err := json.Marshal(set.Response)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{{`"testPassed":true`, `"testPassed":false`}, {`"dkm":"`, `"dkm":"00`}, {`"tag":"`, `"tag":"00`}, {`"ct":"`, `"ct":"00`}, {`"pt":"`, `"pt":"00`}, {`"mac":"`, `"mac":"00`}} {
		changed := bytes.Replace(raw, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, raw) {
			continue
		}
		wrong := &Set{Skipped: set.Skipped}
		if err := json.Unmarshal(changed, &wrong.Response); err != nil {
			t.Fatal(err)
		}
		result, err := wrong.Check(expected)
		if err != nil || result.Failed != 1 {
			t.Errorf("%s: %d failures seen, want 1 (%v)", change[1], result.Failed, err)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnswerRefuses(t *testing.T) {
	kda := `{"algorithm":"KDA","mode":"OneStep","revision":"Sp800-56Cr2","testGroups":[{"tgId":1,"testType":"AFT","kdfConfiguration":{"fixedInfoPattern":"%P","fixedInfoEncoding":"%E","auxFunction":"%A"},"tests":[{"tcId":1,"kdfParameter":{"z":"00","l":%L}}]}]}`
	for name, c := range map[string]struct{ pattern, encoding, aux, l, want string }{
		"pattern":  {"l||x", "concatenation", "SHA2-512", "512", "pattern element"},
		"literal":  {"literal[zz]", "concatenation", "SHA2-512", "512", "pattern"},
		"encoding": {"l", "ASN.1", "SHA2-512", "512", "encoding"},
		"hash":     {"l", "concatenation", "MD5", "512", `hash "MD5"`},
		"hmac":     {"l", "concatenation", "HMAC-MD5", "512", `hash "MD5"`},
		"bits":     {"l", "concatenation", "SHA2-512", "511", "511 bits"},
		"length":   {"l", "concatenation", "SHA2-512", "0", "0 bits"},
	} {
		t.Run(name, func(t *testing.T) {
			p := strings.NewReplacer("%P", c.pattern, "%E", c.encoding, "%A", c.aux, "%L", c.l).Replace(kda)
			if _, err := Answer([]byte(p), nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := Answer([]byte(`{"algorithm":"ACVP-TDES-CTR","revision":"1.0"}`), nil); err == nil {
		t.Error("unknown algorithm answered")
	}
	if _, err := Answer([]byte(`{`), nil); err == nil {
		t.Error("broken JSON answered")
	}
}

func TestSkippedAreCounted(t *testing.T) {
	prompt := []byte(`[{"acvVersion":"1.0"},{"vsId":7,"algorithm":"KAS-KC","revision":"Sp800-56","testGroups":[{"tgId":3,"testType":"AFT","keyAgreementMacType":"CMAC","tests":[{"tcId":1},{"tcId":2}]}]}]`)
	set, err := Answer(prompt, nil)
	if err != nil {
		t.Fatal(err)
	}
	result, err := set.Check([]byte(`{"testGroups":[{"tgId":3,"tests":[{"tcId":1,"tag":"00"}]}]}`))
	if err != nil || result.String() != "KAS-KC-Sp800-56: 0 passed, 0 failed, 2 skipped" || result.Err() == nil {
		t.Errorf("got %v %v: a set with nothing tested must not count as passed", result, err)
	}
}

// TestMissingAnswer: what is expected and not answered is a failure.
func TestMissingAnswer(t *testing.T) {
	set := &Set{Response: Response{Algorithm: "X", Revision: "1"}}
	result, err := set.Check([]byte(`{"testGroups":[{"tgId":1,"tests":[{"tcId":1,"mac":"00"}]}]}`))
	if err != nil || result.Failed != 1 {
		t.Errorf("got %v %v", result, err)
	}
}

// TestCTRWithoutIV: an encryption without a known IV chooses one and says it.
func TestCTRWithoutIV(t *testing.T) {
	key := strings.Repeat("2B", 32)
	enc := `{"algorithm":"ACVP-AES-CTR","mode":"","revision":"1.0","testGroups":[{"tgId":1,"testType":"AFT","direction":"encrypt","keyLen":256,"tests":[{"tcId":1,"pt":"F0","payloadLen":5,"key":"` + key + `"}]}]}`
	set, err := Answer([]byte(enc), nil)
	if err != nil {
		t.Fatal(err)
	}
	ct := set.Groups[0].Tests[0].(ciphertext)
	if ct.CT[0]&7 != 0 {
		t.Error("bits beyond the payload are not zero")
	}
	raw, _ := json.Marshal(ct)
	dec := strings.NewReplacer("encrypt", "decrypt", `"pt":"F0"`, string(raw[len(`{"tcId":1,`):len(raw)-1])).Replace(enc)
	set, err = Answer([]byte(dec), nil)
	if err != nil {
		t.Fatal(err)
	}
	if pt := set.Groups[0].Tests[0].(plaintext).PT; !bytes.Equal(pt, []byte{0xf0}) {
		t.Errorf("decrypted to %X", []byte(pt))
	}
}

// TestKMAC is sample 1 and 4 of NIST's KMAC examples.
func TestKMAC(t *testing.T) {
	key := make([]byte, 32)
	for i := range key {
		key[i] = 0x40 + byte(i)
	}
	for _, c := range []struct {
		strength      int
		customization string
		size          int
		want          string
	}{
		{128, "", 32, "E5780B0D3EA6F7D3A429C5706AA43A00FADBD7D49628839E3187243F456EE14E"},
		{128, "My Tagged Application", 32, "3B1FBA963CD8B0B59E8C1A6D71888B7143651AF8BA0A7070C0979E2811324AA5"},
		{256, "My Tagged Application", 64, "20C570C31346F703C9AC36C61C03CB64C3970D0CFC787E9B79599D273A68D2F7F69D4CC3DE9D104A351689F27CF6F5951F0103F33F4F24871024D9C27773A8DD"},
	} {
		k := newKMAC(c.strength, key, []byte(c.customization), c.size)
		_, _ = k.Write([]byte{0, 1, 2, 3})
		if got, _ := Hex(k.Sum(nil)).MarshalText(); string(got) != c.want {
			t.Errorf("KMAC%d: got %s", c.strength, got)
		}
	}
}
