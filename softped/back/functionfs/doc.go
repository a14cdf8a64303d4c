// Package functionfs plugs a PED in software in to the USB device controller of
// a board: a gadget made in configfs, whose one function is served through
// FunctionFS. The kernel answers the standard control requests; the endpoints
// are files. What the files take and give is in the Linux kernel,
// Documentation/usb/functionfs.rst and include/uapi/linux/usb/functionfs.h.
package functionfs
