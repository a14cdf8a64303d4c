// Package wycheproof runs the Wycheproof vectors for each primitive that the
// project uses, through protocol/kas where it has code of its own and through
// the standard library's packages that certs and the channel call otherwise.
//
// Results that Wycheproof calls acceptable are decided so: the project refuses
// compressed points, public keys with explicit curve parameters, and every
// encoding but the canonical one, so that a key has one fingerprint.
package wycheproof
