// Package cpace is the password-authenticated key exchange of the channel's
// one-time-password mode: CPace (draft-irtf-cfrg-cpace) on ristretto255 with
// SHA-512, in its initiator/responder form (docs/SPEC.md, "CPace profile").
//
// One thing differs from the draft's own ristretto255 suite: the generator
// string is mapped to the group by hash_to_ristretto255 of RFC 9380, Appendix B,
// under a tag of ours, instead of by a bare SHA-512. That is what circl's group
// package offers; the rest, from the generator on, is the draft's.
package cpace
