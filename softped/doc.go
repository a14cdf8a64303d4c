// Package softped is the firmware of a PIN Entry Device in software: the LCD of
// 8 lines of 20 characters, the keypad, the one port for PED keys, the
// dialogues with the custodians, and the far end of the secure channel
// (docs/SPEC.md, "The PED").
//
// A person's dialogue is sequential code: it shows a screen, waits for a key,
// goes on. What draws the screen and presses the keys is a face (package face),
// what carries the frames is a usbped.Gadget. The PED keeps no secret of its
// own: origin roots and start counters.
package softped
