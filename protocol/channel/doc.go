// Package channel is the secure channel between an HSM (party U) and a PED
// (party V), version 1: handshake, records, and the wrapping of secrets
// (docs/SPEC.md, "The secure channel").
//
// It is bytes in, bytes or an error out: no clock, no goroutine, no I/O. The
// caller moves each message to the other side, bounds every wait, and keeps
// whatever must be durable (attempt counters, used passwords, start counters)
// in the order that the methods' comments give.
//
//	HSM (U)                                    PED (V)
//	NewU            ──── Hello ────────►       NewV
//	U.Reply         ◄─── Reply ─────────
//	                ──── HsmProof ─────►       V.Receive: EvProven
//	U.Begin         ──── Begin ────────►       V.Receive: EvBegin, a person may be asked
//	U.Receive       ◄─── Activity ──────       V.Activity, every few seconds meanwhile
//	U.Receive       ◄─── PedAuth ───────       V.Auth
//	U.Finish        ──── Confirm ──────►       V.Receive: EvConfirmed
//	Session         ◄─── records ──────►       Session
//
// The first failure is terminal: the object is dead and its keys are wiped. Then
// the one alert (AlertRecord) goes out, whatever the cause; the cause is for
// the local log only (RefusedError).
package channel
