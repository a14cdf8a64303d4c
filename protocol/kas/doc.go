// Package kas holds the key-establishment primitives of the channel: the ECC
// CDH schemes of NIST SP 800-56A Rev. 3 (fullUnified, onePassDh, staticUnified),
// the one-step key derivation of SP 800-56C Rev. 2, key confirmation, AES-KWP
// of SP 800-38F, AES-256-CTR and HMAC-SHA-512 (docs/SPEC.md, "Primitives").
//
// The schemes are generic over curve and hash, so that the official test
// vectors, some of which exist on P-224 only, run through the very code that
// the channel uses with P-521 keys of crypto/ecdh and SHA-512. The balanced
// password-authenticated exchange is in the subpackage cpace.
//
// Nothing here reads a clock, starts a goroutine or keeps state between calls.
package kas
