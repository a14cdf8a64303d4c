package hsmcm

import (
	"fmt"
	"io"
	"strings"
)

const usageHead = `hsmcm: the HSM administrator's console

usage: hsmcm [global flags] <command> [flags]     one command
       hsmcm [global flags]                       the prompt hsmcm:>
`

const usageTail = `
  -socket <path>   pedclient's socket (default: hsm.sock in its run folder)
  -instance <name> the pedclient that is the service of that name
  -slot <N>        the HSM slot that commands act on (default 1)
  -version         print the version

Exit codes: 0 done, 1 usage, 2 failed, 3 pedclient is not running.
`

func printUsage(w io.Writer) {
	io.WriteString(w, usageHead+"\n")
	printCommands(w)
	io.WriteString(w, usageTail)
}

func printCommands(w io.Writer) {
	for _, c := range commands {
		fmt.Fprintf(w, "  %-18s %s\n", c.name, c.summary)
	}
}

var flagHelp = []struct{ name, text string }{
	{"slot", "-slot <N>         act on slot N, this time only"},
	{"id", "-id <N>           the PEDserver that has this PED ID"},
	{"pedserver", "-pedserver <name> this registered PEDserver and no other; without -ip or -id\n                     over the connection that it has made to this host"},
	{"ip", "-ip <host>        address or name of the host where pedserver listens"},
	{"port", "-port <port>      its port (default 1503)"},
	{"tls", "-tls              with TLS, to a registered PEDserver only"},
	{"password", "-password         pair with a one-time password, shown here and typed at the PED\n                     -pwd is the same; -password - reads 8 digits of your choice,\n                     without echo; digits on the command line are refused"},
	{"local", "-local            the PED that is plugged in to this host, and in Local: no\n                     address, password or orange key goes with it"},
	{"peddevice", "-peddevice <device>  which one: usb (the only one), usb:SERIAL, unix:PATH"},
	{"label", "-label <label>    what the HSM is called from now on, 1 to 32 characters"},
	{"name", "-name <role>      so (HSM security officer); -n is the same"},
	{"from", "-from <record>    begin with this record"},
	{"limit", "-limit <count>    print at most so many"},
	{"force", "-force            do not ask before erasing"},
}

func (c *command) help(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n%s\n", c.name, c.summary, c.usage())
	for _, f := range flagHelp {
		if c.takes(f.name) {
			fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(f.text, "\n", "\n  "))
		}
	}
}
