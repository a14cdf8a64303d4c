package crash

import (
	"testing"

	"openped/test/lab"
)

// Keys that are blank in every lab here, for keysets on fresh keys.
var blanks = []string{"blue4", "blue5", "blue6", "red2", "orange2", "orange3"}

var (
	newBlue   = lab.Of(2, "blue4", "blue5", "blue6")
	newRed    = lab.Of(1, "red2")
	newOrange = lab.Of(1, "orange2")
	newPINs   = lab.Keyset{M: 2, Keys: []lab.Key{{Name: "blue1", PIN: "5551"}, {Name: "blue2", PIN: "555222"}, {Name: "blue3"}}}
	split     = lab.Of(2, "orange1", "orange2", "orange3") // over the old key, too
)

// ceremony is one command that is interrupted, and what must hold afterwards.
type ceremony struct {
	name    string
	base    string // which saved lab it starts from, see bases
	prepare func(*lab.Lab)
	command func(*lab.Lab) string
	people  lab.People
	from    string // the first screen that counts; "" for all
	thin    bool   // leave out screens before which nothing has changed anywhere
	after   func(*testing.T, *lab.Lab, aftermath)
}

// aftermath is what is known when everything runs again.
type aftermath struct {
	before, now state // of the HSM
	end         lab.Ended
	victim      string
	again       bool // the ceremony is to be done once more, to its end
}

// with returns everybody, with something else.
func with(change func(*lab.People)) lab.People {
	p := lab.Everybody()
	change(&p)
	return p
}

// on returns everybody, with new keysets on these keys.
func on(blue, red, orange lab.Keyset) lab.People {
	return with(func(p *lab.People) { p.NewBlue, p.NewRed, p.NewOrange = blue, red, orange })
}

func fixed(command string) func(*lab.Lab) string { return func(*lab.Lab) string { return command } }

func nothing(*lab.Lab) {}

func connect(l *lab.Lab) { l.Must(l.Connect(), lab.People{}) }

func loggedIn(l *lab.Lab) {
	connect(l)
	if entry(l.Must("hsm showinfo", lab.People{}).Output, "Roles Logged In") != "so" { // a login outlives the link
		l.Must("role login -name so", lab.Everybody())
	}
}

func pairing(l *lab.Lab) { l.Must(l.Connect("-password"), lab.Everybody()) }

const (
	changePIN = "role changepw -name so"
	initHSM   = "hsm init -label again -force"
	initRPV   = "ped vector init"
)

// ceremonies are all that is interrupted. "own": the custodians write the new
// keyset over the very keys of the old one, "pins": and choose new PINs, or none.
// "copies": while duplicates are written. "reuse": an existing keyset is read
// twice and taken over. "torn": an earlier crash left keys with two sets.
var ceremonies = []ceremony{
	{
		name: "changepw-own", base: "initialized", prepare: connect, command: fixed(changePIN),
		people: lab.Everybody(), from: "create.insert", after: afterChange(lab.Blue),
	},
	{
		name: "init-own", base: "initialized", prepare: loggedIn, command: fixed(initHSM),
		people: lab.Everybody(), from: "create.insert", after: afterInit(lab.Blue, lab.Red),
	},
	{
		name: "vector-own", base: "initialized", prepare: loggedIn, command: fixed(initRPV),
		people: lab.Everybody(), from: "create.insert", after: afterVector(lab.Orange),
	},
	{
		name: "vector-split", base: "initialized", thin: true, prepare: loggedIn, command: fixed(initRPV),
		people: on(newBlue, newRed, split), from: "create.insert", after: afterVector(split),
	},
	{
		name: "changepw-fresh", base: "initialized", thin: true, prepare: connect, command: fixed(changePIN),
		people: on(newBlue, newRed, newOrange), from: "create.insert", after: afterChange(newBlue),
	},
	{
		name: "changepw-pins", base: "initialized", thin: true, prepare: connect, command: fixed(changePIN),
		people: on(newPINs, newRed, newOrange), from: "create.insert", after: afterChange(newPINs),
	},
	{
		name: "init-fresh", base: "initialized", thin: true, prepare: loggedIn, command: fixed(initHSM),
		people: on(newBlue, newRed, newOrange), from: "create.insert", after: afterInit(newBlue, newRed),
	},
	{
		name: "init-first", base: "paired", thin: true, prepare: connect, command: fixed(initHSM),
		people: lab.Everybody(), from: "create.insert", after: afterInit(lab.Blue, lab.Red),
	},
	{
		name: "vector-fresh", base: "initialized", thin: true, prepare: loggedIn, command: fixed(initRPV),
		people: on(newBlue, newRed, newOrange), from: "create.insert", after: afterVector(newOrange),
	},
	{
		name: "vector-first", base: "new", prepare: pairing, command: fixed(initRPV),
		people: lab.Everybody(), from: "create.insert", after: afterFirstVector,
	},
	{
		name: "changepw-copies", base: "initialized", thin: true, prepare: connect, command: fixed(changePIN),
		people: with(func(p *lab.People) { p.Duplicates = []lab.Keyset{newBlue} }), from: "create.duplicate", after: afterCopies,
	},
	{
		name: "init-reuse", base: "initialized", thin: true, prepare: loggedIn, command: fixed(initHSM),
		people: with(func(p *lab.People) { p.ReuseBlue, p.ReuseRed = lab.Blue, lab.Red }), from: "reuse.insert", after: afterReuse,
	},
	{
		name: "vector-reuse", base: "initialized", thin: true, prepare: loggedIn, command: fixed(initRPV),
		people: with(func(p *lab.People) { p.ReuseOrange = lab.Orange }), from: "reuse.insert", after: afterVector(lab.Orange),
	},
	{
		name: "pair", base: "new", prepare: nothing, command: func(l *lab.Lab) string { return l.Connect("-password") },
		people: lab.Everybody(), after: afterFirstVector,
	},
	{
		name: "login", base: "initialized", prepare: connect, command: fixed("role login -name so"),
		people: lab.Everybody(), after: afterLogin,
	},
	{
		name: "login-torn-blue", base: "torn blue", prepare: connect, command: fixed("role login -name so"),
		people: lab.Everybody(), after: afterLogin,
	},
	{
		name: "login-torn-orange", base: "torn orange", thin: true, prepare: connect, command: fixed("role login -name so"),
		people: lab.Everybody(), after: afterLogin,
	},
}
