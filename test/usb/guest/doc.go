// Package guest has the tests that run in the machine that test/usb makes: with
// `make test-usb`, the long ones too with `make test-usb-full`. Elsewhere there is
// nothing to run them on. Those named TestFull are the long ones.
package guest
