package main

// limit is a test that does not pass in Wine, with the reason.
type limit struct {
	pkg  string // without the module's name
	test string
	why  string
}

// limits is what Wine cannot do, and what there is not on Windows.
var limits = []limit{}
