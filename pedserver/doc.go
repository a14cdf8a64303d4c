// Package pedserver is the relay between the PED on this workstation and the
// HSM host that has it at the moment (docs/SPEC.md, "The link" and "PEDserver").
//
// HSM hosts call it, or it calls those that are registered, its appliances, and
// keeps the links parked. It keeps the device open, lends it to one HSM at a time
// and carries the channel's frames both ways without looking into them: it does
// not link the code that could, and no log line shows their bytes. What it
// enforces by itself is what needs no secret: who may call, that connections are
// few and short until the PED says that the far HSM has proved itself, that an
// idle connection ends, and that a PED whose connection went away is told to go
// idle.
package pedserver
