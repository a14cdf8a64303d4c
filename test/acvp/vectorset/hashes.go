package vectorset

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"
)

var hashes = map[string]func() hash.Hash{
	"SHA-1":        sha1.New,
	"SHA2-224":     sha256.New224,
	"SHA2-256":     sha256.New,
	"SHA2-384":     sha512.New384,
	"SHA2-512":     sha512.New,
	"SHA2-512/224": sha512.New512_224,
	"SHA2-512/256": sha512.New512_256,
	"SHA3-224":     func() hash.Hash { return sha3.New224() },
	"SHA3-256":     func() hash.Hash { return sha3.New256() },
	"SHA3-384":     func() hash.Hash { return sha3.New384() },
	"SHA3-512":     func() hash.Hash { return sha3.New512() },
}

func hashByName(name string) (func() hash.Hash, error) {
	if h := hashes[name]; h != nil {
		return h, nil
	}
	return nil, fmt.Errorf("hash %q is not supported", name)
}

// hmacByName takes a name like "HMAC-SHA2-512" to its hash.
func hmacByName(name string) (func() hash.Hash, error) {
	rest, ok := strings.CutPrefix(name, "HMAC-")
	if !ok {
		return nil, outOfScope("MAC " + name)
	}
	if rest == "SHA1" {
		rest = "SHA-1"
	}
	return hashByName(rest)
}

// auxFunction is H of the one-step key derivation. The default salt of HMAC, a
// block of zeros, is what HMAC makes of no salt.
func auxFunction(name string, salt []byte, outLen int) (func() hash.Hash, error) {
	switch {
	case strings.HasPrefix(name, "HMAC-"):
		h, err := hmacByName(name)
		if err != nil {
			return nil, err
		}
		return func() hash.Hash { return hmac.New(h, salt) }, nil
	case name == "KMAC-128":
		return func() hash.Hash { return newKMAC(128, salt, []byte("KDF"), outLen) }, nil
	case name == "KMAC-256":
		return func() hash.Hash { return newKMAC(256, salt, []byte("KDF"), outLen) }, nil
	}
	return hashByName(name)
}
