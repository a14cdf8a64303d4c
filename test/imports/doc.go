// Package imports keeps the rules of the house: which package may import
// which, for every platform we build for. The rules are a table in rules.go;
// the test reads the real graph from the go command, and another test shows
// that a graph which breaks a rule is caught.
//
// The tiers, arrows down only:
//
//	cmd
//	pedserver pedclient hsmcm softped
//	hsm usbped/libusb
//	certs rpv usbped
//	protocol/...
//	internal/...
//	standard library
//
// Packages under test/ stand outside and may import anything; nothing may
// import them.
package imports
