package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"openped/protocol"
	"openped/rpv"
	"openped/test/lab"
)

// scene is a console command that a person at the PED answers.
type scene struct {
	title, why string
	command    func(g *guide) string
	again      bool // worth doing once more after a failure
}

// guide lets a person hold the PED: the terminal shows its display, the console
// and what to do, and its keys are the PED's.
type guide struct {
	*demo
	keys     chan byte
	problem  string   // last thing that went wrong at the PED
	pick     []string // keys to choose from while one is to be inserted
	pickAt   string   // the screen that was asked at
	titleRow string
	whyRows  []string
}

var scenes = []scene{
	{"1 of 6: pairing", "The HSM is new. The console shows a password: you are at the PED and type it. Anybody who only listens learns nothing.",
		func(g *guide) string { return g.connect(" -password") }, true},
	{"2 of 6: the orange key", "The HSM makes the remote PED vector for an orange key. Take a blank key, e.g. orange1.",
		func(*guide) string { return "ped vector init" }, true},
	{"3 of 6: connecting with it", "The password has done its service; from now on the orange key opens the channel.",
		func(g *guide) string { return g.connect("") }, true},
	{"4 of 6: hsm init", "First the orange key, then new blue keys, then a red one. Suggested: 2 of 3 blue keys with PINs, 1 of 1 red.",
		func(*guide) string { return "hsm init -label demo -force" }, true},
	{"5 of 6: role login", "Two custodians log in. Try the same key twice, or a wrong PIN: what does the HSM say, and when?",
		func(*guide) string { return "role login -name so" }, true},
	{"6 of 6: the audit log", "All of it was recorded.",
		func(*guide) string { return "audit show" }, false},
}

// guided is the interactive demo.
func (d *demo) guided() int {
	for _, f := range []func() error{d.createHSMs, d.start} {
		d.view.heading("Setting the stage", "This takes a moment.")
		if err := f(); err != nil {
			d.view.line("%v", err)
			return 2
		}
	}
	old, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		d.view.line("the terminal: %v", err)
		return 2
	}
	d.raw = func() {
		_ = term.Restore(int(os.Stdin.Fd()), old)
		fmt.Fprint(os.Stdout, "\x1b[?25h\r\n")
	}
	g := &guide{demo: d, keys: make(chan byte)}
	go func() {
		b := make([]byte, 1)
		for {
			if _, err := os.Stdin.Read(b); err != nil {
				close(g.keys)
				return
			}
			g.keys <- b[0]
		}
	}()
	for i, s := range scenes {
		if i == 2 { // the connection with the password ends first
			if _, err := d.console.Send("ped disconnect"); err != nil {
				return 2
			}
		}
		if code, end := g.scene(s); end {
			return code
		}
	}
	return 0
}

// scene runs one command; end says that the person or a program has left.
func (g *guide) scene(s scene) (code int, end bool) {
	for {
		g.titleRow, g.whyRows, g.problem, g.pick = s.title, wrap(s.why, "", pageWidth-4), "", nil
		mark, err := g.console.Send(s.command(g))
		if err != nil {
			return g.broken(err)
		}
		verdict, err := g.answer(mark)
		if err != nil {
			return g.broken(err)
		}
		if verdict == "" {
			return 0, true // left by the person
		}
		ok := strings.Contains(verdict, lab.NoError)
		next := "ENTER goes on, q leaves"
		if !ok && s.again {
			next = "ENTER does it again, s skips it, q leaves"
		}
		g.draw("The command has ended: " + verdict + ". " + next + ".")
		for again := false; !again; {
			switch k := <-g.keys; k {
			case 'q', 'Q', 0x03, 0:
				return 0, true
			case 's', 'S':
				return 0, false
			case '\r', '\n':
				if ok || !s.again {
					return 0, false
				}
				again = true
			}
		}
	}
}

func (g *guide) broken(err error) (int, bool) {
	g.draw("It broke: " + err.Error())
	return 2, true
}

// answer lets the person act until the command that began at mark has ended.
// An empty verdict means that they left.
func (g *guide) answer(mark int) (verdict string, err error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if m, _, ok := g.console.Find(mark, lab.Result); ok {
			return m, nil
		}
		if g.pick != nil && g.ped.Now().ID != g.pickAt {
			g.pick = nil // too late for that screen
		}
		g.draw(advice(g.ped.Now()))
		select {
		case k, ok := <-g.keys:
			if !ok || k == 'q' || k == 'Q' || k == 0x03 {
				return "", nil
			}
			g.key(k)
		case <-tick.C:
		case <-g.ped.Done():
			return "", fmt.Errorf("softped ended: %s", g.ped.LastWords())
		case <-g.console.Done():
			return "", fmt.Errorf("hsmcm ended: %s", g.console.LastWords())
		}
	}
}

// key does what one key of the terminal stands for.
func (g *guide) key(k byte) {
	g.problem = ""
	if g.pick != nil {
		names := g.pick
		g.pick = nil
		if n := int(k - '1'); k >= '1' && n < len(names) {
			g.swap(names[n])
		}
		return
	}
	var err error
	switch k {
	case '\r', '\n':
		err = g.press("E")
	case 'y', 'Y':
		err = g.press("Y")
	case 'n', 'N':
		err = g.press("N")
	case '<', 0x7f, '\b':
		err = g.press("<")
	case '>':
		err = g.press(">")
	case 'c', 'C':
		err = g.press("C")
	case 'i', 'I':
		g.pickAt = g.ped.Now().ID
		g.pick, err = rpv.DirStore{Dir: g.stage.Path("keys")}.List()
	case 'r', 'R':
		err = g.ped.Do("remove")
		g.hands = ""
	default:
		if k >= '0' && k <= '9' {
			err = g.press(string(rune(k)))
		}
	}
	if err != nil {
		g.problem = err.Error()
	}
}

// swap takes the present key out and puts another in.
func (g *guide) swap(name string) {
	if err := g.ped.Insert(name); err != nil {
		g.problem = err.Error()
		return
	}
	g.hands = name
}

// advice says what to do at a screen.
func advice(s lab.Screen) string {
	insert := "press i and choose a key, then ENTER."
	switch s.ID {
	case "otp.password":
		return "Type the 8 digits that the console shows, then ENTER."
	case "key.insert", "key.insert-another":
		return "The channel needs the orange key: " + insert
	case "key.pin", "login.pin", "reuse.pin":
		return "Type the PIN of this key, then ENTER."
	case "login.insert", "login.insert-another":
		return "A custodian's blue key: " + insert
	case "create.reuse":
		return "Press n: a new keyset."
	case "create.m":
		return "How many keys will be needed at a login? A number (2 for blue, else 1), then ENTER."
	case "create.n":
		return "How many keys to make? A number (3 for blue, else 1), then ENTER."
	case "create.insert", "create.insert-another":
		return "Another blank key: " + insert
	case "create.blank", "create.notblank", "create.sure":
		return "Press y to write on this key, n to take another one."
	case "create.pin":
		return "Choose a PIN of 4 to 48 digits for this key, then ENTER. Only ENTER: no PIN."
	case "create.pin-again":
		return "The same PIN again, then ENTER."
	case "create.duplicate", "create.duplicate-another", "reuse.duplicate":
		return "Press n: no copies today."
	case "confirm.erase":
		return "Press y: the HSM is new, nothing is lost."
	case "notice.same-key":
		return "That key was read already. Another one: " + insert
	}
	if strings.HasPrefix(s.ID, "notice.") {
		return "Read the display; ENTER goes on, or " + insert
	}
	return "Wait."
}

// draw paints the whole page.
func (g *guide) draw(todo string) {
	rows := []string{"", " " + g.view.in(bold, g.titleRow)}
	for _, l := range g.whyRows {
		rows = append(rows, "   "+l)
	}
	rows = append(rows, "")
	var console []string
	for _, l := range strings.Split(g.console.Since(0), "\n") {
		console = append(console, wrap(l, "  ", rightWidth)...)
	}
	console = console[max(0, len(console)-10):]
	for _, l := range g.view.columns(g.ped.Now(), console, "") {
		rows = append(rows, " "+l)
	}
	rows = append(rows, "", "   key in the PED: "+orNone(g.hands), "   "+g.view.in(cyan, todo))
	if g.problem != "" {
		rows = append(rows, "   "+g.view.in(yellow, g.problem))
	}
	if g.pick != nil {
		rows = append(rows, "", "   insert which key?")
		for i, name := range g.pick[:min(9, len(g.pick))] {
			rows = append(rows, fmt.Sprintf("     %d  %-10s %s", i+1, name, g.colourOf(name)))
		}
	} else {
		rows = append(rows, "", g.view.in(dim, "   keys: 0-9  y  n  ENTER  < back  c clear  i insert  r remove  q leave"))
	}
	var b strings.Builder
	b.WriteString("\x1b[?25l\x1b[H")
	for _, r := range rows {
		b.WriteString(r + "\x1b[K\r\n")
	}
	b.WriteString("\x1b[J")
	fmt.Fprint(os.Stdout, b.String())
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// colourOf says what is on a key.
func (g *guide) colourOf(name string) string {
	k, err := rpv.DirStore{Dir: g.stage.Path("keys")}.Load(name)
	if err != nil {
		return "unreadable"
	}
	defer k.Destroy()
	if k.Blank() || k.Type == protocol.KeyType(0) {
		return "blank"
	}
	return k.Type.Colour()
}
