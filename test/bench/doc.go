// Command bench measures the secure channel (docs/SPEC.md, "The secure
// channel") against what it is made of, and against TLS, and what the real
// daemons cost. It prints one "name value" per line and judges nothing: it fails
// only if something breaks. The argument channel or daemons measures only those.
//
//	handshake_rpv_vs_primitives  a handshake in mode rpv, both sides, divided by the sum of its cryptographic primitives
//	handshake_rpv_vs_tls13       the same, divided by a mutual TLS 1.3 handshake, both sides
//	handshake_rpv_cold_vs_tls13  the same, where neither side remembers a certificate it has verified before
//	record_16k_vs_ctr_hmac       throughput of sealing and opening 16 KiB records, divided by that of AES-256-CTR and HMAC-SHA-512
//	record_16k_allocs            allocations for sealing or for opening such a record, the larger
//
// and, to tell what the ratios are of, handshake_rpv_ms, handshake_tls13_ms and
// record_16k_mib_per_s; beside them linkid_handshake_ms, the mutual TLS of a link,
// both sides. What exactly stands on each side of a ratio is said at
// the function that runs it.
//
// The sides of a ratio run in turn, in alternating order, and each round gives
// one ratio; a line is the median of the rounds. All runs on one processor, so
// that time is work: no side gains by having two goroutines.
//
// The daemons are programs of their own, on all processors:
//
//	relay_frame_added_us         what a frame to or from the PED costs more because pedserver carries it, over TCP on loopback
//	cable_frame_us               what it costs on the cable alone (a unix socket, and an echo for firmware)
//	start_to_ready_ms            `pedserver -mode start`, from its call to its end: the background process is ready
//	pedclient_start_to_ready_ms  the same with pedclient and one HSM
//	pedserver_idle_rss_mb        resident memory, shared pages included, 3 s after the start
//	pedclient_idle_rss_mb
package main
