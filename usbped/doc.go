// Package usbped is the way to a PED on this machine: what a host can do with
// one (Device), how to get at one (Opener), and the framing both ends speak,
// over a USB cable or over the socket of a PED in software (docs/SPEC.md, "The
// USB framing").
//
// It carries frames of the channel without being able to read them, and the few
// public facts a PED tells its host.
package usbped
