package hsm

import (
	"context"

	"openped/protocol"
	"openped/protocol/hsmapi"
)

// Prompter is the console of whoever asked for a ceremony. A nil Prompter is a
// console with nobody there: every question is answered no.
type Prompter interface {
	// Prompt asks a question that a person answers. It may take its time: it
	// holds up nothing but its own ceremony.
	Prompt(ctx context.Context, p Prompt) (yes bool, err error)
	// Notice says something in passing. It must not block.
	Notice(n Notice)
}

// Prompt is a question.
type Prompt struct {
	ID           hsmapi.PromptID
	Role         protocol.Role
	AttemptsLeft int
}

// Notice is a remark of one line.
type Notice uint8

// The notices.
const (
	// NoticeAttend: people are needed at the PED now. Once per ceremony.
	NoticeAttend Notice = 1
	// NoticeDuplicatesFailed: the ceremony has done its work, but the copies of
	// the keyset were not finished.
	NoticeDuplicatesFailed Notice = 2
)

// String returns the remark.
func (n Notice) String() string {
	switch n {
	case NoticeAttend:
		return "Please attend to the PED."
	case NoticeDuplicatesFailed:
		return "The new keyset is in force, but its duplicates were not finished."
	}
	return "unknown notice"
}

// confirm asks the console.
func (c *ceremony) confirm(p Prompt, otherwise *Error) error {
	if c.prompt == nil {
		return otherwise
	}
	yes, err := c.prompt.Prompt(c.ctx, p)
	if err != nil && c.ctx.Err() == nil {
		return errorf(hsmapi.CKR_FUNCTION_CANCELED, "", "the console did not answer").with(err)
	}
	if !yes && c.ctx.Err() == nil {
		return otherwise
	}
	return c.ctx.Err()
}

// attend calls people to the PED, once.
func (c *ceremony) attend() {
	if !c.asked && c.prompt != nil {
		c.prompt.Notice(NoticeAttend)
	}
	c.asked = true
}
