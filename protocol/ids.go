package protocol

import (
	"encoding/hex"
	"fmt"
)

// Role is who an operation acts for. Values travel in messages and are hashed
// into the labels of secrets: they never change their meaning.
type Role uint8

// The roles.
const (
	RoleSO     Role = 1 // HSM security officer
	RoleAU     Role = 2 // auditor
	RolePO     Role = 3 // partition owner
	RoleCO     Role = 4 // crypto officer
	RoleLCO    Role = 5 // limited crypto officer
	RoleCU     Role = 6 // crypto user
	RoleDomain Role = 7 // cloning domain
	RoleRPV    Role = 8 // remote PED vector
)

var roleNames = [...]string{RoleSO: "so", RoleAU: "au", RolePO: "po", RoleCO: "co", RoleLCO: "lco", RoleCU: "cu", RoleDomain: "domain", RoleRPV: "rpv"}

// String returns the short name that command lines use: "so", "au" and so on.
func (v Role) String() string { return enumName(roleNames[:], uint8(v), "role") }

// Valid reports whether v is one of the roles above.
func (v Role) Valid() bool { return enumValid(roleNames[:], uint8(v)) }

// roleKeys says which keys a role's shares are on. It is the only place that
// does: an HSM cannot have a PED read one role's keys in the name of another.
var roleKeys = [...]KeyType{RoleSO: KeySO, RoleAU: KeyAudit, RolePO: KeySO, RoleCO: KeyUser, RoleLCO: KeyUser, RoleCU: KeyUser,
	RoleDomain: KeyDomain, RoleRPV: KeyRPK}

// KeyType returns the type of the keys that hold the role's shares, 0 for what
// is no role.
func (v Role) KeyType() KeyType {
	if !v.Valid() {
		return 0
	}
	return roleKeys[v]
}

// LogsIn reports whether people log in as this role. Nobody does as the domain
// or the RPV: their shares are read to be used again, and for nothing else.
func (v Role) LogsIn() bool { return v.Valid() && v != RoleDomain && v != RoleRPV }

// ParseRole finds a role by its short name.
func ParseRole(name string) (Role, bool) {
	for i, n := range roleNames {
		if n != "" && n == name {
			return Role(i), true
		}
	}
	return 0, false
}

// KeyType is what kind of secret a PED key holds. It is all that a PED knows of
// a key's purpose. Zero is a blank key, which no message may name.
type KeyType uint8

// The key types and the colour of their stickers.
const (
	KeySO     KeyType = 1 // blue
	KeyDomain KeyType = 2 // red
	KeyRPK    KeyType = 3 // orange
	KeyUser   KeyType = 4 // black
	KeyAudit  KeyType = 5 // white
)

var (
	keyNames   = [...]string{0: "blank", KeySO: "so", KeyDomain: "domain", KeyRPK: "rpk", KeyUser: "user", KeyAudit: "audit"}
	keyColours = [...]string{0: "none", KeySO: "blue", KeyDomain: "red", KeyRPK: "orange", KeyUser: "black", KeyAudit: "white"}
)

// String returns "so", "domain", "rpk", "user", "audit", or "blank" for zero.
func (v KeyType) String() string { return enumName(keyNames[:], uint8(v), "key type") }

// Colour returns the colour of the sticker: "blue", "red" and so on.
func (v KeyType) Colour() string { return enumName(keyColours[:], uint8(v), "key type") }

// Valid reports whether v is one of the types above; a blank key is not.
func (v KeyType) Valid() bool { return v != 0 && enumValid(keyNames[:], uint8(v)) }

// Op is what a wrapped secret is for. It is part of the label that the channel
// wraps with the secret, so that a secret sent for one purpose is refused for
// another.
type Op uint8

// The operations that carry a secret.
const (
	OpAuthenticate Op = 1 // share read to log in, PED to HSM
	OpCreate       Op = 2 // new share to write, HSM to PED
	OpProvision    Op = 3 // RPV share for an orange key, HSM to PED
	OpRPKKey       Op = 4 // RPK private key for an orange key, HSM to PED
	OpReuse        Op = 5 // share read to be reused, PED to HSM
	OpReuseRPV     Op = 6 // joined RPV to be reused, PED to HSM
)

var opNames = [...]string{OpAuthenticate: "authenticate", OpCreate: "create", OpProvision: "provision", OpRPKKey: "rpk-key", OpReuse: "reuse", OpReuseRPV: "reuse-rpv"}

// String returns "authenticate", "create", "provision", "rpk-key", "reuse" or "reuse-rpv".
func (v Op) String() string { return enumName(opNames[:], uint8(v), "operation") }

// Valid reports whether v is one of the operations above.
func (v Op) Valid() bool { return enumValid(opNames[:], uint8(v)) }

// CeremonyID names one operation from its first message to its last. Zero is none.
type CeremonyID [16]byte

// String returns 32 hexadecimal digits.
func (id CeremonyID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether there is no ceremony.
func (id CeremonyID) IsZero() bool { return id == CeremonyID{} }

// SetID names one split of one secret: the shares that join together. Zero is none.
type SetID [16]byte

// String returns 32 hexadecimal digits.
func (id SetID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether there is no set.
func (id SetID) IsZero() bool { return id == SetID{} }

// KeySerial names one physical PED key. Zero is none.
type KeySerial [8]byte

// String returns 16 hexadecimal digits.
func (id KeySerial) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether there is no key.
func (id KeySerial) IsZero() bool { return id == KeySerial{} }

// MaxShares is the largest M and N of a keyset, and so the largest index.
const MaxShares = 16

// enumName names a value of an enumeration; a value outside it shows its number,
// which is what a log needs when versions differ.
func enumName(names []string, v uint8, what string) string {
	if enumValid(names, v) {
		return names[v]
	}
	return fmt.Sprintf("%s %d", what, v)
}

func enumValid(names []string, v uint8) bool { return int(v) < len(names) && names[v] != "" }
