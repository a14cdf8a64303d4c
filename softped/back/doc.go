// Package back is where a PED in software is plugged in: a local socket that
// stands for its USB cable, a USB cable itself (packages usbip and functionfs),
// and a socket that takes the lines of a script (docs/SPEC.md, "The USB
// framing"; docs/cli/softped.md).
package back
