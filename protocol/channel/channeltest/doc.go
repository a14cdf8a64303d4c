// Package channeltest gives tests of the secure channel, and of what stands on
// it, a certificate authority and ready-made parties (docs/SPEC.md, "The secure
// channel"). Its certificates are real signatures over a toy encoding: what
// certificates must look like is package certs' subject.
package channeltest
