// Package usbip plugs a PED in software in to a Linux computer by USB/IP: over
// TCP, for the stock usbip program (Server), or into this computer's own
// virtual host controller (VHCI). The protocol is the one of the Linux kernel,
// Documentation/usb/usbip_protocol.rst, version 0x0111.
package usbip
