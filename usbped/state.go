package usbped

import (
	"errors"
	"fmt"
)

// State is how it stands with a PED, for people and for programs.
type State uint8

// The states.
const (
	// StateReady: the PED is there and serves.
	StateReady State = 1
	// StateBusy: the PED is there, and an HSM has it or a custodian is at it.
	StateBusy State = 2
	// StateWrongMode: the PED is there and its mode does not serve this.
	StateWrongMode State = 3
	// StateNoPED: none is plugged in.
	StateNoPED State = 4
	// StateUnplugged: it was there and is gone.
	StateUnplugged State = 5
	// StateNoAccess: it may not be opened.
	StateNoAccess State = 6
	// StateHeld: another program has it.
	StateHeld State = 7
	// StateMute: it does not answer, a reset of its port did not help.
	StateMute State = 8
	// StateSeveral: there are several and none was chosen.
	StateSeveral State = 9
	// StateNotPED: what answers is no PED, or one of another version.
	StateNotPED State = 10
	// StateNoUSB: this computer has no USB.
	StateNoUSB State = 11
	// StateNotBuilt: this program was built without USB.
	StateNotBuilt State = 12
	// StateReleased: its daemon has given it up for another program.
	StateReleased State = 13
)

// states holds for each state its word, for programs, and for those that come of
// an error that error; the text and the remedy are the error's.
var states = [...]struct {
	word string
	err  error
}{
	StateReady:     {"ready", &fault{"PED ready", ""}},
	StateBusy:      {"busy", &fault{"PED busy", "wait until the operation at the PED is over"}},
	StateWrongMode: {"wrong-mode", &fault{"PED in another mode", "choose Remote PED at the PED: press <, then 7"}},
	StateNoPED:     {"no-ped", ErrNoDevice},
	StateUnplugged: {"unplugged", ErrUnplugged},
	StateNoAccess:  {"no-access", ErrNoAccess},
	StateHeld:      {"held", ErrInUse},
	StateMute:      {"mute", ErrMute},
	StateSeveral:   {"several", ErrSeveral},
	StateNotPED:    {"not-a-ped", ErrNotPED},
	StateNoUSB:     {"no-usb", ErrNoUSB},
	StateNotBuilt:  {"not-built", ErrNotBuilt},
	StateReleased:  {"released", &fault{"PED given up for other programs", "take it back with pedserver -mode claim"}},
}

// States returns all of them.
func States() []State {
	var all []State
	for s := range State(len(states)) {
		if s.valid() {
			all = append(all, s)
		}
	}
	return all
}

func (s State) valid() bool { return int(s) < len(states) && states[s].word != "" }

// String returns the state's word, as in "no-ped".
func (s State) String() string {
	if s.valid() {
		return states[s].word
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Text says the state in a few words.
func (s State) Text() string {
	if s.valid() {
		return states[s].err.Error()
	}
	return s.String()
}

// Remedy says in one line what to do about the state; "" for nothing. An error's
// own Hint may know more.
func (s State) Remedy() string {
	if s.valid() {
		return Hint(states[s].err)
	}
	return ""
}

// StateOf is the state that an error of an Opener or a Device means: StateReady
// for none, StateUnplugged for one of somebody else.
func StateOf(err error) State {
	if err == nil {
		return StateReady
	}
	// An error may wrap two: the opening's own come before what ended the stream.
	for _, s := range []State{StateNotBuilt, StateNoUSB, StateSeveral, StateHeld, StateNoAccess, StateMute, StateNotPED, StateNoPED} {
		if errors.Is(err, states[s].err) {
			return s
		}
	}
	return StateUnplugged
}
