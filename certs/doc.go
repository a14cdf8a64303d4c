// Package certs issues and checks the certificates that say who an HSM is and
// which orange keys may open its channel (docs/SPEC.md, "Certificates").
//
//	origin root ──► issuing key (one per HSM, carries its serial)
//	                  ├──► static key (the HSM's, new at every start, carries the start counter)
//	                  └──► RPK key (one per orange key)
//
// The profile is narrow and checked by our own code, not by a general path
// builder: P-521 with SHA-512 only, exactly the levels above, a role extension
// on each, fixed validity. No clock is read: an HSM host or a PED may lack one.
package certs
