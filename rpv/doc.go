// Package rpv is what PED keys are made of: secrets of 64 bytes, their M of N
// splitting, the PIN that masks a share, and the key container with its current
// and its pending keyset (docs/SPEC.md, "PED keys"). The Remote PED Vector on
// orange keys gave the package its name; the other colours hold the same.
//
// One rule shapes it all: nothing on a key, and nothing in one share, lets
// anyone tell a right PIN from a wrong one. So nothing stored is computed from
// an unmasked share, no checksum covers one, and no function here that takes a
// PIN or an unmasked share can fail because the PIN was wrong.
package rpv
