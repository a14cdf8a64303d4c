package pedserver

import (
	"fmt"
	"io"
	"strings"

	"openped/internal/cmdline"
	"openped/protocol"
	"openped/usbped"
)

// Show prints the status in the vendor's form, which scripts read. Lines that
// the vendor does not have are only there when they say something: why there is
// no PED, that the PED is software or in another mode, who is connected.
func (st Status) Show(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintln(w, cmdline.Printable(fmt.Sprintf(format, args...))) }
	firmware := "Not Available"
	if st.PED.Connected {
		firmware = st.PED.Firmware
	}
	p("Server Information:")
	p("  Hostname:                %s", st.Hostname)
	ip := st.IP
	if st.Mode == ModePeer {
		ip = "Not Available"
	}
	p("  IP:                      %s", ip)
	p("  Firmware Version:        %s", firmware)
	p("  PedII Protocol Version:   %s", st.ProtocolVersion)
	p("  Software Version:         %s", st.Version)
	if st.Service != "" {
		p("  Service:                  %s", st.Service)
	}
	p("")
	st.PED.Show(w)
	p("")
	if c := st.Client; c == nil {
		p("Client Information:         Not Available")
	} else {
		proof := "not yet"
		if c.Proven {
			proof = "yes, says the PED"
		}
		p("Client Information:")
		p("  IP:                      %s", c.Address)
		if c.Name != "" {
			p("  Registered Name:         %s (%s)", c.Name, c.TLS)
		}
		p("  HSM Serial Number:       %s (not authenticated)", c.HSM)
		p("  HSM Proved Itself:       %s", proof)
		p("  Software Version:        %s", c.Software)
	}
	p("")
	if st.Mode == ModePeer {
		p("Appliance Information:")
		for _, l := range st.Links {
			p("  %-24s %s, %s, %d (secs)", l.Name+":", l.State, l.Address, l.Since)
			switch {
			case l.Tries > 0:
				p("  %-24s failed tries: %d, last: %s", "", l.Tries, l.Error)
			case l.Error != "":
				p("  %-24s last: %s", "", l.Error)
			}
		}
		p("")
	}
	p("Operating Information:")
	if st.Mode == ModePeer {
		p("  Server Port:              Not Available")
	} else {
		p("  Server Port:              %d", st.Port)
	}
	p("  External Server Interface: %s", yesNo(st.External))
	p("  Admin Port:               %d", st.AdminPort)
	p("  External Admin Interface: %s", yesNo(st.ExternalAdmin))
	switch {
	case st.TLS.Identity == "":
	case st.Mode == ModePeer:
		p("  TLS:                      certificate %s, registered: %d", st.TLS.Identity, st.TLS.Peers)
	default:
		p("  TLS:                      %s, certificate %s, registered: %d", st.TLS.Calls, st.TLS.Identity, st.TLS.Peers)
	}
	if st.TLS.Problem != "" {
		p("  TLS Problem:              %s", st.TLS.Problem)
	}
	for _, line := range st.Reachability {
		p("  Reachability:             %s", line)
	}
	p("")
	p("  Server Up Time:           %d (secs)", st.UpTime)
	p("  Server Idle Time:         %d (secs) (%d%%)", st.IdleTime, percent(st.IdleTime, st.UpTime))
	p("  Idle Timeout Value:       %d (secs)", st.IdleTimeout)
	p("")
	var c ClientStatus
	if st.Client != nil {
		c = *st.Client
	}
	p("  Current Connection Time:   %d (secs)", c.Time)
	p("  Current Connection Idle Time: %d (secs)", c.Idle)
	p("  Current Connection Total Idle Time: %d (secs) (%d%%)", c.TotalIdle, percent(c.TotalIdle, c.Time))
	p("  Total Connection Time:     %d (secs)", st.TotalConnection)
	p("  Total Connection Idle Time: %d (secs) (%d%%)", st.TotalConnectionIdle, percent(st.TotalConnectionIdle, st.TotalConnection))
	p("")
	p("Show command passed.")
}

// Show prints the lines about the PED.
//
// Root may ask the pedserver of any user, which can say whatever it likes: nothing of
// it steers the terminal.
func (st PEDStatus) Show(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintln(w, cmdline.Printable(fmt.Sprintf(format, args...))) }
	connection, rpks := "Disconnected", "(none)"
	if st.Connected {
		connection = "Connected"
	}
	if len(st.RPKs) > 0 {
		rpks = "(" + strings.Join(st.RPKs, ", ") + ")"
	}
	p("  Ped2 Connection Status:   %s", connection)
	p("  Ped2 RPK Count            %d", len(st.RPKs))
	p("  Ped2 RPK Serial Numbers   %s", rpks)
	if st.Software {
		p("  Ped2 Device:              SOFTWARE PED")
	}
	if st.Mode != "" && st.Mode != protocol.PEDModeRemote.String() {
		p("  Ped2 Mode:                %s", st.Mode)
	}
	switch remedy := st.Remedy; {
	case st.Connected && st.State == usbped.StateWrongMode.String():
		p("  Ped2 Remedy:              %s", remedy)
	case !st.Connected && st.Reason != "":
		if remedy != "" {
			remedy = "; " + remedy
		}
		p("  Ped2 Disconnect Reason:   %s", st.Reason+remedy)
	}
	if n := len(st.Devices); n > 1 || n == 1 && !st.Connected {
		p("  Ped2 Devices:             %s", strings.Join(st.Devices, ", "))
	}
}

// percent is 100 of nothing, like the vendor's.
func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 100
	}
	return min(100, part*100/whole)
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}
