// Package usbdev is the USB device that a PED in software is: its descriptors,
// its answers to control requests, its endpoints (docs/SPEC.md, "The USB
// framing"). What carries the transfers is a back: packages usbip and functionfs.
package usbdev
