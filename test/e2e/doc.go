// Package e2e tests what people see of the whole: real processes of all four
// programs, strangers on the network, plugs that are pulled, programs that are
// stopped, and input that is wrong.
//
// A test that has a number in its name, as TestF15_…, mirrors a trouble known
// from the field of remote PEDs; it says which, and what happens here instead.
package e2e
