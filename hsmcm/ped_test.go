package hsmcm

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"openped/internal/localsock"
	"openped/protocol/hsmapi"
)

// TestWhichPED: what the flags say is what pedclient is asked for.
func TestWhichPED(t *testing.T) {
	for args, want := range map[string]string{
		"ped connect":                            "ped connect: command=3 slot=1",
		"ped connect -id 1234":                   "ped connect: command=3 slot=1 ped-id=1234",
		"ped connect -id=7 -tls":                 "ped connect: command=3 slot=1 ped-id=7 tls=1",
		"ped connect -pedserver lab-7":           `ped connect: command=3 slot=1 pedserver="lab-7"`,
		"ped connect -IP ped.example --port 16 ": `ped connect: command=3 slot=1 host="ped.example" port=16`,
		"ped connect -local":                     "ped connect: command=3 slot=1 local=1",
		"ped connect -local -peddevice usb:SP01": `ped connect: command=3 slot=1 local=1 device="usb:SP01"`,
		"ped connect -local -peddevice unix:/p":  `ped connect: command=3 slot=1 local=1 device=` + strconv.Quote("unix:"+abs(t, "/p")),
		"ped set -ip ::1 -tls":                   `ped set: command=5 slot=1 tls=1 host="::1"`,
	} {
		f := newFake()
		if code, _, errs := console(t, f, "", strings.Fields(args)...); code != 0 {
			t.Errorf("%s: %d %s", args, code, errs)
		}
		if len(f.requests) != 1 || f.requests[0] != want {
			t.Errorf("%s: %q, want %q", args, f.requests, want)
		}
	}
}

// TestLocalAlone: what has no meaning for a PED of this host is refused before
// anybody is asked.
func TestLocalAlone(t *testing.T) {
	for args, want := range map[string]string{
		"ped connect -peddevice usb":          "give -local too",
		"ped connect -local -ip 10.0.0.5":     "-local is a PED of this host",
		"ped connect -local -id 7":            "-local is a PED of this host",
		"ped connect -local -port 1503":       "-local is a PED of this host",
		"ped connect -local -tls":             "-local is a PED of this host",
		"ped connect -local -pedserver lab":   "-local is a PED of this host",
		"ped connect -local -password":        "no one-time password",
		"ped connect -local -peddevice ttyS0": "write usb, usb:SERIAL, or " + localsock.Example,
	} {
		f := newFake()
		if code, _, errs := console(t, f, "", strings.Fields(args)...); code != 1 || !strings.Contains(errs, want) || len(f.requests) > 0 {
			t.Errorf("%s: %d %q, asked %q", args, code, errs, f.requests)
		}
	}
}

// TestShownLink: a person can see through what the slot is connected.
func TestShownLink(t *testing.T) {
	base := func() hsmapi.Fields {
		return hsmapi.Fields{}.AddBool(hsmapi.TagConnected, true).AddText(hsmapi.TagHost, "10.0.0.5")
	}
	for want, fields := range map[string]hsmapi.Fields{
		"PEDserver ->               10.0.0.5 port 1503\n  Link ->                    HSM-initiated, no TLS\n":                                     base().AddU32(hsmapi.TagPort, 1503).AddBool(hsmapi.TagTLS, false),
		"PEDserver ->               lab-7, 10.0.0.5 port 1503\n  PED ID ->                  7\n  Link ->                    HSM-initiated, TLS\n": base().AddU32(hsmapi.TagPort, 1503).AddBool(hsmapi.TagTLS, true).AddText(hsmapi.TagPEDServer, "lab-7").AddU32(hsmapi.TagPEDID, 7),
		"PEDserver ->               lab-7, 10.0.0.5\n  Link ->                    PED-initiated, TLS\n":                                           base().AddBool(hsmapi.TagTLS, true).AddBool(hsmapi.TagPEDInitiated, true).AddText(hsmapi.TagPEDServer, "lab-7"),
		"Local PED ->               usb:SP01\n": hsmapi.Fields{}.AddBool(hsmapi.TagConnected, true).AddBool(hsmapi.TagLocal, true).AddText(hsmapi.TagDevice, "usb:SP01"),
	} {
		f := newFake()
		f.handlers[hsmapi.PedShow] = func(*caller, hsmapi.Fields) (hsmapi.Fields, error) { return fields, nil }
		if _, out, _ := console(t, f, "", "ped", "show"); !strings.Contains(out, want) {
			t.Errorf("%q, want %q", out, want)
		}
	}
}

// abs is what a socket's path means here.
func abs(t *testing.T, path string) string {
	t.Helper()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ = strings.Cut(localsock.AbsName("unix:"+path, here), ":")
	return path
}
