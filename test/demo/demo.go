package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"openped/test/lab"
)

// What a person does at the PED takes this long at most, with room for a busy
// machine.
const (
	screenWait = 20 * time.Second
	resultWait = 30 * time.Second
)

// demo is the play: the stage, who is on it, and what was found.
type demo struct {
	stage   *lab.Stage
	view    *view
	begun   time.Time
	ped     *lab.PED
	server  *lab.Process
	console *lab.Console
	relay   *lab.Relay
	port    int             // pedserver's own
	shown   map[string]bool // screens printed in full already

	checks    []check
	passwords []string // one-time passwords used
	hands     string   // the key in the PED
	mark      int      // screens before it were shown when a key was last asked for
	raw       func()   // restores the terminal in the interactive demo
}

func (d *demo) restoreTerminal() {
	if d.raw != nil {
		d.raw()
	}
}

// expect notes whether something held. A nil err is good.
func (d *demo) expect(what string, err error) error {
	d.checks = append(d.checks, check{d.view.step, what, err})
	d.view.console(d.rest())
	if err != nil {
		d.view.printf("   %s %s: %v\n", d.view.in(red, "FAIL"), what, err)
	} else {
		d.view.printf("   %s %s\n", d.view.in(green, "ok"), what)
	}
	return err
}

// rest is what the console printed and nobody has seen yet.
func (d *demo) rest() []string {
	if d.console == nil {
		return nil
	}
	return d.console.Rest()
}

// at waits for a screen, shows it, and does what a person does there.
func (d *demo) at(id, does, keys string) error {
	s, err := d.ped.Wait(screenWait, id)
	if err != nil {
		return err
	}
	d.show(s, does)
	return d.press(keys)
}

// show prints a screen in full the first time, then in one line.
func (d *demo) show(s lab.Screen, does string) {
	if d.shown[s.ID] {
		d.view.brief(s, d.rest(), does)
		return
	}
	d.shown[s.ID] = true
	d.view.block(s, d.rest(), does)
}

// press presses keys; none is fine.
func (d *demo) press(keys string) error {
	if keys == "" {
		return nil
	}
	return d.ped.Press(keys)
}

// insert waits for a screen that wants a key, and puts one in.
func (d *demo) insert(who, key, id string) error {
	s, err := d.ped.Wait(screenWait, id)
	if err != nil {
		return err
	}
	d.mark = d.ped.Mark()
	d.show(s, fmt.Sprintf("%s inserts %s, ENTER", who, key))
	if err := d.ped.Insert(key); err != nil {
		return err
	}
	d.hands = key
	return d.press("E")
}

// command types a console command and returns the mark of its output.
func (d *demo) command(c string) (int, error) { return d.console.Send(c) }

// ends waits for a command's result and compares it.
func (d *demo) ends(mark int, want string) error {
	got, err := d.console.Wait(resultWait, mark, lab.Result)
	if err != nil {
		return err
	}
	if !strings.Contains(got, want) {
		return fmt.Errorf("the result is %q, not %q", got, want)
	}
	return nil
}

// simple runs a command that needs nobody at the PED.
func (d *demo) simple(command, want string) error {
	mark, err := d.command(command)
	if err != nil {
		return err
	}
	return d.ends(mark, want)
}

// custodian is somebody with a key and a PIN.
type custodian struct{ who, key, pin string }

var (
	operator = custodian{"the operator", "orange1", "86420975"}
	blue1    = custodian{"custodian 1", "blue1", "31415926"}
	blue2    = custodian{"custodian 2", "blue2", "27182818"}
	blue3    = custodian{"custodian 3", "blue3", "16180339"}
	domain   = custodian{"the domain owner", "red1", "14142135"}
	other    = custodian{"the other HSM's operator", "orange2", "57721566"}
)

// keyset goes through the dialogue that makes keys for the people given: m of
// them will be needed.
func (d *demo) keyset(m int, people ...custodian) error {
	n := len(people)
	if err := d.at("create.reuse", "a new keyset: NO", "N"); err != nil {
		return err
	}
	if err := d.at("create.m", fmt.Sprintf("M: %d of them will be needed", m), fmt.Sprintf("%dE", m)); err != nil {
		return err
	}
	if err := d.at("create.n", fmt.Sprintf("N: out of %d", n), fmt.Sprintf("%dE", n)); err != nil {
		return err
	}
	for i, p := range people {
		insert := "create.insert"
		if i > 0 {
			insert = "create.insert-another"
		}
		if err := d.insert(p.who, p.key, insert); err != nil {
			return err
		}
		if err := d.at("create.blank", "YES: it is blank", "Y"); err != nil {
			return err
		}
		if err := d.at("create.pin", p.who+" chooses a PIN of 8 digits", p.pin+"E"); err != nil {
			return err
		}
		if err := d.at("create.pin-again", "and types it again", p.pin+"E"); err != nil {
			return err
		}
	}
	return d.at("create.duplicate", "no copies today: NO", "N")
}

// orange answers the request for the orange key.
func (d *demo) orange(c custodian) error {
	if err := d.insert(c.who, c.key, "key.insert"); err != nil {
		return err
	}
	return d.at("key.pin", "and types its PIN", c.pin+"E")
}

// share lets a custodian give a share to a login.
func (d *demo) share(c custodian, first bool) error {
	id := "login.insert-another"
	if first {
		id = "login.insert"
	}
	if err := d.insert(c.who, c.key, id); err != nil {
		return err
	}
	return d.at("login.pin", "and types the PIN", c.pin+"E")
}

// never fails if a screen that must not appear did.
func (d *demo) never(mark int, ids ...string) error {
	for _, s := range d.ped.Since(mark) {
		for _, id := range ids {
			if s.ID == id || strings.HasSuffix(id, ".") && strings.HasPrefix(s.ID, id) {
				return fmt.Errorf("the PED showed %s", s.ID)
			}
		}
	}
	return nil
}

// order fails unless a was shown before any b after the mark.
func (d *demo) order(mark int, a, b string) error {
	for _, s := range d.ped.Since(mark) {
		switch s.ID {
		case a:
			return nil
		case b:
			return fmt.Errorf("the PED showed %s before %s", b, a)
		}
	}
	return fmt.Errorf("the PED did not show %s", a)
}

// play runs all steps and returns the exit code.
func (d *demo) play() int {
	d.view.line("An HSM, a remote PED and its custodians, as real processes in %s", d.stage.Dir)
	for _, step := range d.steps() {
		d.view.heading(step.title, step.why)
		err := step.run()
		d.view.console(d.rest())
		if err != nil {
			if n := len(d.checks); n == 0 || d.checks[n-1].err == nil {
				_ = d.expect(step.title, err)
			}
			d.view.line("The demo cannot go on from here. Its programs' last words:")
			for _, p := range d.stage.Processes() {
				d.view.line("%s: %s", p.Name, p.LastWords())
			}
			break
		}
	}
	d.view.summary(d.checks, time.Since(d.begun))
	for _, c := range d.checks {
		if c.err != nil {
			return 2
		}
	}
	fmt.Fprintln(os.Stdout)
	return 0
}
