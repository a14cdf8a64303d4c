// The command usb plugs a software PED into a real USB stack: it boots the
// distribution's kernel in an emulated machine, where the tests in test/usb/guest
// run with the programs that are shipped. No part of it is a stand-in: softped is
// a device on a (virtual) cable, udev makes its node, and pedserver opens it with
// libusb.
//
//	host                            machine (QEMU, one processor, no KVM)
//	----                            -------------------------------------
//	kernel, udev, usbip   ------>   kernel, modules, udevd
//	go build, go test -c  ------>   programs, tests
//	second serial port    <------   every line as it is printed
//	exit code of QEMU     <------   the verdict
//
// What does not come with the machine's packages is fetched once, by `apt-get
// download`, and kept in openped-vm in the user's cache folder; remove it to have
// a newer kernel. Nothing needs root but the installation of packages.
//
// It passes only if the machine said so by its exit code, at least one test ran
// and none was skipped: a machine that hangs, panics or ends without a word has
// failed, and the end of its console is printed.
//
// The machine has two ways to a cable. vhci_hcd is a host controller whose ports
// are sockets: softped attaches itself, or the usbip program attaches what softped
// exports. dummy_hcd is a host controller wired to a device controller: softped is
// a FunctionFS gadget there, as on a board.
//
// Everything in the machine is some twenty times slower than outside. Bounds that
// a test holds are written as the specification has them, times a factor.
package main
