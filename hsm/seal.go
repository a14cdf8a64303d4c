package hsm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"errors"

	"openped/internal/secret"
	"openped/internal/wire"
	"openped/protocol"
	"openped/rpv"
)

// A role's vault is 64 bytes sealed under the role's joined secret: for the SO
// the domain's secret, for other roles a key of their own. Opening the vault is
// how a joined secret is verified; nothing else is stored that depends on it.
//
//	version  1   1
//	salt    32   of the key: HKDF-SHA-512(secret, salt, "openped v1 vault" ‖ role ‖ serial), 32 bytes
//	nonce   12
//	sealed  64+16  AES-256-GCM; additional data: version ‖ role ‖ set ‖ serial
const (
	vaultVersion = 1
	vaultSalt    = 32
	vaultSize    = rpv.SecretSize
	sealedSize   = 1 + vaultSalt + 12 + vaultSize + 16
)

// errUnseal says that a joined secret is not the role's.
var errUnseal = errors.New("the secret does not open the role's vault")

// binding is what a vault is bound to.
type binding struct {
	serial string
	role   protocol.Role
	set    protocol.SetID
}

func (b binding) aead(key *secret.Buffer, salt []byte) (cipher.AEAD, []byte, error) {
	info := new(wire.Writer).Raw([]byte("openped v1 vault")).U8(uint8(b.role)).Var8([]byte(b.serial)).Bytes()
	k, err := hkdf.Key(sha512.New, key.Bytes(), salt, string(info), 32)
	if err != nil {
		return nil, nil, err
	}
	defer clear(k)
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, nil, err
	}
	gcm, err := cipher.NewGCM(block)
	ad := new(wire.Writer).U8(vaultVersion).U8(uint8(b.role)).Raw(b.set[:]).Var8([]byte(b.serial)).Bytes()
	return gcm, ad, err
}

// seal closes a vault of 64 bytes under a role's secret.
func (b binding) seal(key, vault *secret.Buffer) ([]byte, error) {
	if vault.Len() != vaultSize {
		return nil, errUnseal
	}
	out := make([]byte, 1+vaultSalt+12, sealedSize)
	out[0] = vaultVersion
	rand.Read(out[1:])
	gcm, ad, err := b.aead(key, out[1:1+vaultSalt])
	if err != nil {
		return nil, err
	}
	return gcm.Seal(out, out[1+vaultSalt:], vault.Bytes(), ad), nil
}

// unseal opens a vault; the caller destroys what it returns.
func (b binding) unseal(key *secret.Buffer, sealed []byte) (*secret.Buffer, error) {
	if len(sealed) != sealedSize || sealed[0] != vaultVersion {
		return nil, errUnseal
	}
	gcm, ad, err := b.aead(key, sealed[1:1+vaultSalt])
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, sealed[1+vaultSalt:][:12], sealed[1+vaultSalt+12:], ad)
	if err != nil {
		return nil, errUnseal
	}
	return secret.From(plain), nil
}
