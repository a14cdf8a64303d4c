// Package usbpedtest helps tests with the cable between a host and a PED: one in
// memory, with packets and transfers as on a bus, on which things go wrong by a
// script.
package usbpedtest
