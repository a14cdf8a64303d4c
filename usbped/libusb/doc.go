// Package libusb gets at PEDs on a USB cable (docs/SPEC.md, "The USB framing"):
// it finds them, claims one for this program alone, moves bytes, and tells what
// stands in the way. What the bytes mean is the business of usbped.
//
// libusb is linked where there is cgo, unless the tag nousb is set; everywhere
// else the package is the same and every opening is usbped.ErrNotBuilt. On Linux
// the kernel is asked which PEDs there are, and libusb is started only for one
// that is there: looking costs next to nothing.
//
// libusb may hang in a system call for a device that misbehaves. Every call into
// it is made by a goroutine that can be left behind; few may be, and as soon as
// such a call returns it cleans up after itself.
package libusb
