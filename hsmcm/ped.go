package hsmcm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/secret"
	"openped/protocol/hsmapi"
)

// passwordMode says where a one-time password comes from.
type passwordMode int

const (
	passwordNone   passwordMode = iota
	passwordRandom              // pedclient makes one and we show it
	passwordTyped               // read from the terminal or standard input
)

// takePassword takes -password or -pwd out of args. Its value is optional,
// and may only be "-": what stands on a command line is no secret.
func takePassword(args []string) (rest []string, mode passwordMode, err error) {
	for i := 0; i < len(args); i++ {
		name, value, inline := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(args[i], "-"), "-"), "=")
		name = strings.ToLower(name)
		if !strings.HasPrefix(args[i], "-") || name != "password" && name != "pwd" {
			rest = append(rest, args[i])
			continue
		}
		if mode != passwordNone {
			return nil, 0, usagef("flag -%s given twice", name)
		}
		mode = passwordRandom
		if !inline && i+1 < len(args) && (args[i+1] == "-" || !strings.HasPrefix(args[i+1], "-")) {
			i++
			value, inline = args[i], true
		}
		switch {
		case !inline:
		case value == "-":
			mode = passwordTyped
		default:
			return nil, 0, &cmdline.UsageError{
				Msg:  "-" + name + " takes no password: other users of this host can read command lines",
				Hint: "give -" + name + " alone for a random password, or -" + name + " - to type one",
			}
		}
	}
	return rest, mode, nil
}

const passwordDigits = 8

// readPassword reads 8 digits without showing them. The caller destroys them.
func (s *session) readPassword(ctx context.Context) (*secret.Buffer, error) {
	prompt := ""
	if s.in.interactive() {
		prompt = fmt.Sprintf("One-time password (%d digits, not shown): ", passwordDigits)
	}
	pw, err := s.in.secret(ctx, prompt)
	if err != nil {
		if errors.Is(err, errInterrupted) {
			return nil, errInterrupted
		}
		return nil, usagef("no password on standard input: -password - reads %d digits from it", passwordDigits)
	}
	for _, c := range pw.Bytes() {
		if c < '0' || c > '9' {
			pw.Wipe()
		}
	}
	if pw.Len() != passwordDigits || pw.Bytes()[0] == 0 {
		pw.Destroy()
		return nil, usagef("a one-time password is %d digits", passwordDigits)
	}
	return pw, nil
}

func pedConnect(ctx context.Context, s *session, o *options) error {
	if err := o.checkLocal(); err != nil {
		return err
	}
	f := addressFields(o)
	switch o.password {
	case passwordRandom:
		f = f.AddBool(hsmapi.TagWantPassword, true)
	case passwordTyped:
		readCtx, stop := s.interruptible()
		pw, err := s.readPassword(readCtx)
		stop()
		if errors.Is(err, errInterrupted) {
			return s.failed(err)
		}
		if err != nil {
			return err
		}
		f = f.AddSecret(hsmapi.TagPassword, pw)
		pw.Destroy()
	}
	if _, err := s.do(ctx, hsmapi.PedConnect, f, nil); err != nil {
		return err
	}
	s.printf(resultOK)
	return nil
}

// checkLocal refuses what has no meaning for a PED of this host.
func (o *options) checkLocal() error {
	switch {
	case !o.local && o.device != "":
		return usagef("-peddevice names a PED of this host: give -local too")
	case !o.local:
	case o.id != 0 || o.server != "" || o.ip != "" || o.port != 0 || o.tls:
		return usagef("-local is a PED of this host: no -id, -ip, -port, -pedserver or -tls goes with it")
	case o.password != passwordNone:
		return usagef("a local PED needs no one-time password: leave -password out")
	}
	return nil
}

// addressFields says which PED is meant.
func addressFields(o *options) hsmapi.Fields {
	f := slotFields(o)
	if o.id != 0 {
		f = f.AddU32(hsmapi.TagPEDID, uint32(o.id))
	}
	if o.server != "" {
		f = f.AddText(hsmapi.TagPEDServer, o.server)
	}
	if o.tls {
		f = f.AddBool(hsmapi.TagTLS, true)
	}
	if o.local {
		f = f.AddBool(hsmapi.TagLocal, true)
	}
	if o.device != "" {
		f = f.AddText(hsmapi.TagDevice, o.device)
	}
	if o.ip != "" {
		f = f.AddText(hsmapi.TagHost, o.ip)
	}
	if o.port != 0 {
		f = f.AddU32(hsmapi.TagPort, uint32(o.port))
	}
	return f
}

func pedDisconnect(ctx context.Context, s *session, o *options) error {
	if _, err := s.do(ctx, hsmapi.PedDisconnect, slotFields(o), nil); err != nil {
		return err
	}
	s.printf(resultOK)
	return nil
}

func pedSet(ctx context.Context, s *session, o *options) error {
	if _, err := s.do(ctx, hsmapi.PedSet, addressFields(o), nil); err != nil {
		return err
	}
	s.printf(resultOKSet)
	return nil
}

func pedShow(ctx context.Context, s *session, o *options) error {
	f, err := s.do(ctx, hsmapi.PedShow, slotFields(o), nil)
	if err != nil {
		return err
	}
	s.describePED(f)
	for _, t := range f.Texts(hsmapi.TagText) {
		s.printf("  %s\n", printable(t))
	}
	s.printf(resultOK)
	return nil
}

// describePED prints what is known of the PED that serves the slot.
func (s *session) describePED(f hsmapi.Fields) {
	if f.Has(hsmapi.TagConnected) {
		v := "Disconnected"
		if f.Bool(hsmapi.TagConnected) {
			v = "Connected"
			if sec, ok := f.U32(hsmapi.TagSeconds); ok {
				v += " for " + since(sec)
			}
		}
		s.entry("PED Connection", v)
	}
	if f.Bool(hsmapi.TagLocal) {
		v, _ := f.Text(hsmapi.TagDevice)
		s.entry("Local PED", v)
	}
	if v := pedserver(f); v != "" {
		s.entry("PEDserver", v)
	}
	if id, ok := f.U32(hsmapi.TagPEDID); ok {
		s.entry("PED ID", fmt.Sprint(id))
	}
	if f.Has(hsmapi.TagTLS) {
		s.entry("Link", link(f))
	}
	if v, ok := f.Text(hsmapi.TagPEDSerial); ok && v != "" {
		if f.Bool(hsmapi.TagSoftware) {
			v += " (software PED)"
		}
		s.entry("PED Serial Number", v)
	}
	if v, ok := f.Text(hsmapi.TagPEDFirmware); ok && v != "" {
		s.entry("PED Firmware Version", v)
	}
}

// pedserver says where the PED is: a name that a certificate has proved, and the
// address.
func pedserver(f hsmapi.Fields) string {
	text, _ := f.Text(hsmapi.TagHost)
	if port, ok := f.U32(hsmapi.TagPort); ok && text != "" {
		text = fmt.Sprintf("%s port %d", text, port)
	}
	if name, ok := f.Text(hsmapi.TagPEDServer); ok {
		text = strings.TrimSuffix(name+", "+text, ", ")
	}
	return text
}

// link says how the slot is connected to the PEDserver.
func link(f hsmapi.Fields) string {
	switch {
	case f.Bool(hsmapi.TagPEDInitiated):
		return "PED-initiated, TLS"
	case f.Bool(hsmapi.TagTLS):
		return "HSM-initiated, TLS"
	}
	return "HSM-initiated, no TLS"
}

func vectorInit(ctx context.Context, s *session, o *options) error {
	if _, err := s.do(ctx, hsmapi.VectorInit, slotFields(o), nil); err != nil {
		return err
	}
	s.printf(resultOK)
	return nil
}
