// Package crash kills the programs in the middle of ceremonies, as real
// processes, and sees to it that nobody is locked out: afterwards the old keys
// work or the new ones do, what the programs say of themselves is true, and the
// next `ped connect` works with nothing restarted but what was killed.
//
// A ceremony is played once without harm to learn its screens and frames; then
// once more for each of them and for each victim, which ends there by SIGKILL
// (the link is cut). TestOneKillEach does one point per victim and belongs to
// `go test ./...`; TestEveryStep does them all and is `make crash`.
package crash
