package hsm

import (
	"context"

	"openped/protocol"
	"openped/protocol/hsmapi"
)

// MaxLabel is the longest label of an HSM, in bytes.
const MaxLabel = 32

// InitOptions are what InitHSM needs to know.
type InitOptions struct {
	Label string // 1 to MaxLabel bytes of printable ASCII
	Grant *Grant // of the SO; needed if the HSM is initialised
	Force bool   // do not ask at the console; the PED asks in any case
}

// InitHSM makes an SO on blue keys and a domain on red ones. Both come into
// force together, by one rename, when the last red key is written: whatever
// fails before, an initialised HSM is as it was. Afterwards every login has
// ended. The RPV stays.
func (s *Slot) InitHSM(ctx context.Context, opt InitOptions, p Prompter) (err error) {
	c, err := s.begin(ctx, nameInit, protocol.RoleSO)
	if err != nil {
		return err
	}
	defer func() { err = c.finish(err) }()
	c.prompt = p
	if err := checkLabel(opt.Label); err != nil {
		return err
	}
	initialized := false
	s.d.View(func(st *State) { initialized = st.Initialized() })
	if initialized {
		if err := s.granted(opt.Grant, protocol.RoleSO); err != nil {
			return err
		}
		if !opt.Force {
			err := c.confirm(Prompt{ID: hsmapi.PromptEraseHSM, Role: protocol.RoleSO},
				errorf(hsmapi.CKR_FUNCTION_CANCELED, "confirm at the console, or use -force", "erasing the HSM was not confirmed"))
			if err != nil {
				return err
			}
		}
	}
	if err := c.start(); err != nil {
		return err
	}
	if initialized {
		if err := c.confirmErase(); err != nil {
			return err
		}
	}
	blue, err := c.createKeyset(keysetOrder{role: protocol.RoleSO})
	if err != nil {
		return err
	}
	defer blue.destroy()
	red, err := c.createKeyset(keysetOrder{role: protocol.RoleDomain, commit: func(red *keyset) error {
		return s.commitInit(opt.Label, blue, red)
	}})
	red.destroy()
	if err != nil {
		c.dropPending(protocol.RoleSO)
		return err
	}
	return nil
}

// commitInit puts SO and domain in force and everything else out of it.
func (s *Slot) commitInit(label string, blue, red *keyset) error {
	sealed, err := binding{s.id.Serial, protocol.RoleSO, blue.set}.seal(blue.secret, red.secret)
	if err != nil {
		return err
	}
	err = s.d.Update(func(st *State) error {
		st.Label, st.Zeroized = label, false
		st.Roles = map[protocol.Role]RoleRecord{
			protocol.RoleSO:     {Set: blue.set, M: uint8(blue.m), N: uint8(blue.n), Sealed: sealed},
			protocol.RoleDomain: {Set: red.set, M: uint8(red.m), N: uint8(red.n)},
		}
		st.commitPending(blue.set)
		st.commitPending(red.set)
		return nil
	})
	if err == nil {
		s.revoke()
	}
	return err
}

// confirmErase has somebody at the PED agree to the end of what the HSM holds.
func (c *ceremony) confirmErase() error {
	o, err := c.operate(protocol.RoleSO, func(id protocol.CeremonyID) protocol.Message {
		return &protocol.Confirm{Ceremony: id, Prompt: protocol.PromptEraseHSM, TimeoutSec: c.slot.timeout}
	})
	if err == nil {
		err = o.erase()
	}
	if err != nil && o != nil {
		err = o.abort(err)
	}
	return err
}

func (o *operation) erase() error {
	answer, err := expect[*protocol.Confirmed](o)
	if err != nil {
		return err
	}
	if !answer.Yes {
		if err := o.finish(protocol.EndFailed); err != nil {
			return err
		}
		return errorf(hsmapi.CKR_PED_REFUSED, "", "erasing the HSM was refused at the PED")
	}
	return o.finish(protocol.EndOK)
}

func checkLabel(label string) error {
	ok := len(label) >= 1 && len(label) <= MaxLabel
	for _, b := range []byte(label) {
		ok = ok && b >= 0x20 && b <= 0x7e
	}
	if !ok {
		return errorf(codeArguments, "give -label with 1 to 32 printable ASCII characters", "the label is missing or not usable")
	}
	return nil
}
