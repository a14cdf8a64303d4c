package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"openped/protocol/channel"
	"openped/test/lab"
)

// step is one scene.
type step struct {
	title, why string
	run        func() error
}

func (d *demo) steps() []step {
	return []step{
		{"An origin root and two HSMs", "Each HSM gets an issuing key with its serial, certified by the maker's origin root. The second one plays its part later.", d.createHSMs},
		{"PED, pedserver, pedclient", "The PED is software here, on the workstation; pedserver relays for it; pedclient runs the HSM slots on the other side.", d.start},
		{"Pairing by one-time password", "A new HSM shares nothing with any PED yet. The console shows 8 digits, read out to whoever is at the PED: a password-authenticated key exchange, good for one try.", d.pair},
		{"ped vector init: the orange key", "The HSM makes the remote PED vector. It goes, wrapped for this PED alone, onto the orange key, with a key pair that the HSM certifies.", d.vectorInit},
		{"Connecting with the orange key", "From now on the orange key opens the channel. No password, and pedserver still relays bytes that it cannot read.", d.reconnect},
		{"hsm init: two of three custodians, and a domain", "The HSM splits the new SO secret in three: any two shares make it, one tells nothing. Each share is masked by its custodian's PIN. Then the red domain key.", d.hsmInit},
		{"role login: two of the three", "The orange key is still cached in the PED. Custodian 1 and 3 give their shares; the HSM joins them.", d.login},
		{"Refused: the same custodian twice", "One person with a key and a PIN must not be two. A second key ends the login well.", d.sameTwice},
		{"Refused: a wrong PIN", "No key can tell a right PIN from a wrong one, so a thief cannot test PINs. The HSM counts the attempt, then joins, then judges.", d.wrongPIN},
		{"Refused: a copied orange key posing as the HSM", "A thief has the orange key's file, its PIN, and so the vector and the key pair, and answers for the HSM. The PED must show nothing and say nothing but one alert.", d.rogue},
		{"A second, honest HSM of the same maker", "It has its own serial, certified by the same origin root, and gets its own orange key.", d.secondHSM},
		{"Refused: the second HSM wants the first one's orange key", "An orange key lists the HSMs that it serves. The PED checks the list before it asks for the PIN.", d.foreignOrange},
		{"Refused: the second HSM asks for custodians' shares", "It asks to reuse the first HSM's blue keys. The PED names the HSM that asks, and the custodian says NO; no PIN is asked.", d.foreignShares},
		{"What passed over the wire", "All bytes between pedclient and pedserver were recorded. They are searched for the PINs, the password, the shares and the vector.", d.wire},
		{"The audit log", "Each event is chained to the one before by a hash.", d.audit},
	}
}

func (d *demo) hsmFile(n int) string { return d.stage.Path("hsm" + strconv.Itoa(n)) }

const (
	serial1 = "7000001"
	serial2 = "7000002"
)

func (d *demo) createHSMs() error {
	for n, serial := range []string{serial1, serial2} {
		if _, err := d.stage.Run("pedclient", "-mode", "createhsm", "-hsm", d.hsmFile(n+1), "-serial", serial, "-origin", d.stage.Path("origin")); err != nil {
			return err
		}
		d.view.line("pedclient -mode createhsm -hsm hsm%d -serial %s -origin origin", n+1, serial)
	}
	var err error
	if !lab.Exists(d.hsmFile(1)) || !lab.Exists(d.hsmFile(2)) || !lab.Exists(d.stage.Path("origin/origin.pem")) {
		err = errors.New("a state file or the root certificate is missing")
	}
	return d.expect("two HSM state files and one origin root", err)
}

func (d *demo) start() (err error) {
	s := d.stage
	sock := "unix:" + s.Path("ped.sock")
	if err := os.Mkdir(s.Path("keys"), 0o700); err != nil {
		return err
	}
	d.ped, err = lab.StartPED(s, "-listen", sock, "-keys", s.Path("keys"), "-state", s.Path("ped.state"), "-root", s.Path("origin/origin.pem"),
		"-mode", "pair", "-newkeys", "orange1,orange2,blue1,blue2,blue3,red1")
	if err != nil {
		return err
	}
	if err := d.ped.Until(10*time.Second, "socket", func() bool { return lab.Exists(s.Path("ped.sock")) }); err != nil {
		return err
	}
	d.view.line("softped -listen unix:ped.sock -keys keys -state ped.state -root origin/origin.pem -mode pair")
	if d.port, err = lab.FreePort(); err != nil {
		return err
	}
	server, err := s.Start("pedserver", nil, "pedserver", "-mode", "start", "-foreground", "-ip", "127.0.0.1", "-port", strconv.Itoa(d.port), "-peddevice", sock)
	if err != nil {
		return err
	}
	if err := server.Until(15*time.Second, "PED in -mode show", d.serverShows("Ped2 Connection Status:   Connected")); err != nil {
		return err
	}
	d.server = server
	d.view.line("pedserver -mode start -peddevice unix:ped.sock")
	client, err := s.Start("pedclient", nil, "pedclient", "-mode", "start", "-foreground", "-hsm", d.hsmFile(1), "-hsm", d.hsmFile(2))
	if err != nil {
		return err
	}
	if err := client.Until(15*time.Second, "hsm.sock", func() bool { return lab.Answers(s.Path("hsm.sock")) }); err != nil {
		return err
	}
	d.view.line("pedclient -mode start -hsm hsm1 -hsm hsm2")
	if d.relay, err = lab.NewRelay(fmt.Sprintf("127.0.0.1:%d", d.port)); err != nil {
		return err
	}
	if d.console, err = lab.StartConsole(s); err != nil {
		return err
	}
	return d.expect("all are running, and the console reaches its HSM", d.simple("slot list", lab.NoError))
}

// connect is the console's ped connect, through the recorder.
func (d *demo) connect(flags string) string {
	return fmt.Sprintf("ped connect -ip 127.0.0.1 -port %d%s", d.relay.Port(), flags)
}

// otp connects with a one-time password, which a person types at the PED.
func (d *demo) otp(flags string) error {
	mark, err := d.command(d.connect(" -password" + flags))
	if err != nil {
		return err
	}
	pw, err := d.console.Wait(resultWait, mark, lab.Password)
	if err != nil {
		return err
	}
	d.passwords = append(d.passwords, pw)
	if err := d.at("otp.password", "the operator hears the password and types it", pw+"E"); err != nil {
		return err
	}
	return d.ends(mark, lab.NoError)
}

func (d *demo) pair() error {
	return d.expect("HSM and PED agree on a channel by a password of 8 digits", d.otp(""))
}

func (d *demo) vectorInit() error { return d.makeVector("", operator) }

func (d *demo) makeVector(flags string, c custodian) error {
	mark, err := d.command("ped vector init" + flags)
	if err != nil {
		return err
	}
	if err := d.keyset(1, c); err != nil {
		return err
	}
	return d.expect("the vector is on an orange key with a PIN", d.ends(mark, lab.NoError))
}

func (d *demo) reconnect() error {
	if err := d.simple("ped disconnect", lab.NoError); err != nil {
		return err
	}
	return d.expect("connected without a password", d.simple(d.connect(""), lab.NoError))
}

func (d *demo) hsmInit() error {
	mark, err := d.command("hsm init -label demo -force")
	if err != nil {
		return err
	}
	if err := d.orange(operator); err != nil {
		return err
	}
	if err := d.keyset(2, blue1, blue2, blue3); err != nil {
		return err
	}
	if err := d.keyset(1, domain); err != nil {
		return err
	}
	return d.expect("initialised: blue 2 of 3 with PINs, red with a PIN", d.ends(mark, lab.NoError))
}

func (d *demo) login() error {
	mark, err := d.command("role login -name so")
	if err != nil {
		return err
	}
	if err := d.share(blue1, true); err != nil {
		return err
	}
	if err := d.share(blue3, false); err != nil {
		return err
	}
	if err := d.expect("two of three custodians log in", d.ends(mark, lab.NoError)); err != nil {
		return err
	}
	return d.expect("and out", d.simple("role logout", lab.NoError))
}

func (d *demo) sameTwice() error {
	mark, err := d.command("role login -name so")
	if err != nil {
		return err
	}
	if err := d.share(blue2, true); err != nil {
		return err
	}
	if err := d.insert(blue2.who+" once more", blue2.key, "login.insert-another"); err != nil {
		return err
	}
	screens := d.mark
	if err := d.insert("no second share: now "+blue1.who, blue1.key, "notice.same-key"); err != nil {
		return d.expect("the same key is refused", err)
	}
	if err := d.at("login.pin", "and types the PIN", blue1.pin+"E"); err != nil {
		return err
	}
	if err := d.expect("the same key is refused, and its PIN is not asked again", d.order(screens, "notice.same-key", "login.pin")); err != nil {
		return err
	}
	if err := d.expect("another custodian completes the login", d.ends(mark, lab.NoError)); err != nil {
		return err
	}
	return d.simple("role logout", lab.NoError)
}

func (d *demo) wrongPIN() error {
	mark, err := d.command("role login -name so")
	if err != nil {
		return err
	}
	if err := d.share(blue1, true); err != nil {
		return err
	}
	wrong := blue3
	wrong.pin = "99999999"
	if err := d.share(wrong, false); err != nil {
		return err
	}
	if err := d.expect("the login fails, and counts", d.ends(mark, "0xa0 (CKR_PIN_INCORRECT)")); err != nil {
		return err
	}
	mark, err = d.command("role login -name so")
	if err != nil {
		return err
	}
	if err := d.share(blue2, true); err != nil {
		return err
	}
	if err := d.share(blue3, false); err != nil {
		return err
	}
	if err := d.expect("the right PINs still do it, and set the counter back", d.ends(mark, lab.NoError)); err != nil {
		return err
	}
	return d.simple("role logout", lab.NoError)
}

func (d *demo) rogue() error {
	if err := d.simple("ped disconnect", lab.NoError); err != nil {
		return err
	}
	thief, err := d.steal()
	if err != nil {
		return err
	}
	d.view.line("The thief has the RPK's private key, its certificate, the vector, and the HSM's certificates (they pass in clear).")
	mark := d.ped.Mark()
	answer, err := thief.attack(fmt.Sprintf("127.0.0.1:%d", d.port))
	if err == nil && !bytes.Equal(answer, channel.AlertRecord()) {
		err = fmt.Errorf("the PED answered %d bytes that are not the alert", len(answer))
	}
	if err := d.expect("the PED answers with the one alert and no reason", err); err != nil {
		return err
	}
	err = d.never(mark, "key.", "login.", "create.", "reuse.", "otp.", "confirm.", "notice.")
	if err := d.expect("nobody at the PED was asked or told anything", err); err != nil {
		return err
	}
	// Who had the PED without a proof is not waited for as an honest HSM is.
	return d.server.Until(10*time.Second, "end of the thief's connection", d.serverShows("Client Information:         Not Available"))
}

// serverShows returns whether pedserver -mode show has a line.
func (d *demo) serverShows(line string) func() bool {
	return func() bool {
		out, err := d.stage.Run("pedserver", "-mode", "show")
		return err == nil && strings.Contains(out, line)
	}
}

func (d *demo) secondHSM() error {
	if err := d.ped.Mode("pair"); err != nil {
		return err
	}
	if err := d.otp(" -slot 2"); err != nil {
		return err
	}
	if err := d.makeVector(" -slot 2", other); err != nil {
		return err
	}
	return d.simple("ped disconnect -slot 2", lab.NoError)
}

func (d *demo) foreignOrange() error {
	if err := d.simple(d.connect(" -slot 2"), lab.NoError); err != nil {
		return err
	}
	mark, err := d.command("hsm init -label foreign -force -slot 2")
	if err != nil {
		return err
	}
	screens := d.ped.Mark()
	if err := d.insert(operator.who+" of the first HSM", operator.key, "key.insert"); err != nil {
		return err
	}
	if err := d.at("notice.failed", "", ""); err != nil {
		return err
	}
	if err := d.expect("the channel is refused", d.ends(mark, "CKR_PED_AUTH_FAILED")); err != nil {
		return err
	}
	return d.expect("the orange key's PIN was never asked", d.never(screens, "key.pin"))
}

func (d *demo) foreignShares() error {
	mark, err := d.command("hsm init -label foreign -force -slot 2")
	if err != nil {
		return err
	}
	screens := d.ped.Mark()
	if err := d.orange(other); err != nil {
		return err
	}
	if err := d.at("create.reuse", "the attacker at the PED: YES, reuse one", "Y"); err != nil {
		return err
	}
	if err := d.insert(blue1.who, blue1.key, "reuse.insert"); err != nil {
		return err
	}
	if err := d.at("login.foreign", blue1.who+" reads a serial that is not the own HSM's: NO", "N"); err != nil {
		return err
	}
	if err := d.expect("the custodian's NO ends it", d.ends(mark, "CKR_PED_REFUSED")); err != nil {
		return err
	}
	return d.expect("the blue key's PIN was never asked", d.never(screens, "reuse.pin"))
}

func (d *demo) wire() error {
	needles, err := d.secrets()
	if err != nil {
		return err
	}
	log := d.relay.Recorded()
	for _, n := range needles {
		if bytes.Contains(log, n.value) {
			return d.expect("no secret passed in clear", fmt.Errorf("%s is in the recording", n.name))
		}
	}
	var err2 error
	if !bytes.Contains(log, []byte(serial1)) {
		err2 = errors.New("even the serial is not in it: the recording is no proof")
	}
	return d.expect(fmt.Sprintf("%d secrets searched for in %d bytes, none found; the HSM's serial, which is public, is there", len(needles), len(log)), err2)
}

func (d *demo) audit() error {
	if err := d.simple("audit verify", lab.NoError); err != nil {
		return d.expect("the chain of the first HSM is whole", err)
	}
	return d.expect("the chains of both HSMs are whole", d.simple("audit verify -slot 2", lab.NoError))
}
