package lab

import (
	"fmt"
	"strings"
	"time"
)

// Play is one console command and the people who answer the PED meanwhile.
type Play struct {
	Command string
	People  People

	// At is told every screen before people answer it. False: they do not, and
	// the play goes on with what comes (the test did something itself).
	At func(Screen) bool

	Limit time.Duration // for the whole; 0 is 60 s
}

// Ended is how a play ended.
type Ended struct {
	Result  string   // what stands after "Command Result : "
	Output  string   // all that the console printed
	Screens []string // ids, as they were shown
}

// OK reports whether the command was carried out.
func (e Ended) OK() bool { return e.Result == NoError || e.Result == Success }

func (e Ended) String() string {
	return fmt.Sprintf("result %q\nconsole: %s\nscreens: %s", e.Result, strings.ReplaceAll(e.Output, "\n", "\n         "), strings.Join(e.Screens, " "))
}

// Perform runs a play on a console. ped returns the PED of the moment: a test
// may restart it meanwhile, and one that has ended shows nothing. Screens that
// were shown before do not count. The error says what kept the command from
// coming to a result; Ended has what there was until then.
func Perform(c *Console, ped func() *PED, play Play) (Ended, error) {
	if play.Limit == 0 {
		play.Limit = 60 * time.Second
	}
	end := Ended{}
	present := ped()
	present.skip()
	complained := c.complaints()
	mark, err := c.Send(play.Command)
	if err != nil {
		return end, err
	}
	people := play.People // its state is this play's
	timeout := time.After(play.Limit)
	for {
		result, printed, ok := c.Find(mark, Result)
		if ok {
			end.Result, end.Output = result, c.Since(mark)
			return end, nil
		}
		present = ped()
		s, shown, ok := present.take()
		if ok {
			end.Screens = append(end.Screens, s.ID)
			if strings.HasPrefix(s.ID, "otp.") { // they are told it by phone
				if people.password, err = c.Wait(10*time.Second, mark, Password); err != nil {
					return end, err
				}
			}
			if play.At == nil || play.At(s) {
				if err := people.act(present, s); err != nil {
					end.Output = c.Since(mark)
					return end, err
				}
			}
			continue
		}
		select {
		case <-printed:
		case <-shown:
		case <-time.After(20 * time.Millisecond): // another PED may have taken its place
			if c.complaints() > complained {
				end.Output = c.Since(mark)
				return end, fmt.Errorf("%q was not run: %s", play.Command, c.LastWords())
			}
		case <-c.done:
			end.Output = c.Since(mark)
			if _, _, ok := c.Find(mark, Result); !ok {
				return end, fmt.Errorf("hsmcm ended without a result: %s", c.LastWords())
			}
		case <-timeout:
			end.Output = c.Since(mark)
			return end, fmt.Errorf("%q did not end within %v; the PED shows %s", play.Command, play.Limit, present.Now().ID)
		}
	}
}

// act does what people do at a screen. A PED that died under their hands is no
// fault of theirs.
func (p *People) act(ped *PED, s Screen) error {
	commands, err := p.answer(s)
	if err != nil {
		return err
	}
	for _, c := range commands {
		if err := ped.Do(c); err != nil {
			if !ped.Running() {
				return nil
			}
			return fmt.Errorf("at %s: %w", s.ID, err)
		}
	}
	return nil
}
