package main

// pack is one package: a daemon, and what goes with it.
type pack struct {
	name     string
	prog     string // the daemon
	also     []string
	usb      bool // its programs open PEDs on cables, unless they were built without
	conf     string
	enable   bool // the service starts with the machine
	summary  string
	text     []string // the paragraphs of the description
	extra    []copied // what no other package has
	suggests []string
}

// copied is something that stands in the sources and is packed as it is.
type copied struct{ from, to string }

var packs = []pack{
	{
		name: "openped-pedserver", prog: "pedserver", usb: true, conf: "pedServer.conf", enable: true,
		summary: "relay between a PIN entry device and HSM hosts",
		text: []string{
			"pedserver runs on the workstation that has the PED (PIN entry device), keeps it open and lends it to one HSM " +
				"host at a time. It carries what HSM and PED say to each other and cannot read it.",
			"With it comes the udev rule that lets services and people use PEDs on a USB cable.",
		},
		extra:    []copied{{"dist/udev/70-openped.rules", "/usr/lib/udev/rules.d/70-openped.rules"}},
		suggests: []string{"openped-softped"},
	},
	{
		name: "openped-pedclient", prog: "pedclient", also: []string{"hsmcm"}, usb: true, conf: "pedClient.conf", enable: true,
		summary: "HSM slots that people authorise at a remote PIN entry device",
		text: []string{
			"pedclient runs on the HSM's host: it holds the HSM slots, connects each to a PED (PIN entry device) behind a " +
				"PEDserver, keeps the audit log, and serves local programs.",
			"hsmcm is the administrator's console: it connects PEDs, initialises HSMs and logs roles in.",
		},
		extra: []copied{
			{"dist/examples/Chrystoki.conf", docDir + "openped-pedclient/examples/Chrystoki.conf"},
			{"dist/examples/local-ped.conf", docDir + "openped-pedclient/examples/local-ped.conf"},
			{"dist/udev/70-openped.rules", docDir + "openped-pedclient/examples/70-openped.rules"},
		},
	},
	{
		name: "openped-softped", prog: "softped",
		summary: "PIN entry device in software, for tests and training",
		text: []string{
			"softped is a whole PED (PIN entry device): display, keypad, key port and firmware. It is software, for tests " +
				"and training, and says so on its display; its PED keys are files.",
			"A PEDserver on the same computer plugs in to its socket, or it is a USB device, over USB/IP or of a small Linux board.",
		},
		extra: []copied{
			{"dist/default/softped", "/etc/default/softped"},
			{"docs/guide-usb-board.md", docDir + "openped-softped/guide-usb-board.md"},
		},
		suggests: []string{"openped-pedserver"},
	},
}

const docDir = "/usr/share/doc/"

// programs are those of the package, the daemon first.
func (p *pack) programs() []string { return append([]string{p.prog}, p.also...) }
