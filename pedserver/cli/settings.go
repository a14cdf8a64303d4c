package cli

import (
	"slices"

	"openped/certs/linkid/linkcmd"
	"openped/internal/daemon"
	"openped/internal/setting"
	"openped/pedserver"
	"openped/usbped"
)

// Which commands list a setting in their help. Every command takes every one.
var (
	inModes   = []string{"start", "stop", "show", "config", "connect", "disconnect"}
	inProcess = []string{"start", "stop", "config"}
	inServer  = []string{"start", "config"}
	inRemote  = []string{"stop", "show", "connect", "disconnect", "reload"}
	inDevice  = []string{"release", "claim"}
	inChange  = []string{"appliance register", "appliance delete", "administrator register", "administrator delete", "regen"}
	inLists   = []string{"appliance list", "administrator list"}
	inService = daemon.InService("install", "prepare", "uninstall", "start", "stop", "restart", "status")
)

// table is every flag of pedserver (docs/cli/pedserver.md).
var table = slices.Concat(setting.Table{
	{Name: "name", Value: "name", Kind: setting.Text, Check: setting.CheckName,
		Usage: "a registered appliance; in start: call it, peer-to-peer; in -service: the service",
		In:    slices.Concat(inModes, []string{"appliance register", "appliance delete", "administrator register", "administrator delete"}, inService)},
	{Name: "show", Kind: setting.Switch, Usage: "print the settings and where each comes from", In: []string{"config"}},
	{Name: "set", Kind: setting.Switch, Usage: "write what follows into the configuration file", In: []string{"config"}},
	{Name: "force", Kind: setting.Switch, Usage: "ask nothing; in stop: kill a process that does not end; in release: take the PED from an HSM",
		In: []string{"start", "stop", "release", "appliance delete", "administrator delete", "regen"}},
	{Name: "format", Value: "format", Kind: setting.Word, Words: []string{"text", "json"}, Default: "text",
		Usage: "text or json", In: slices.Concat([]string{"show", "config"}, inLists, daemon.InService("status"))},
	{Name: "foreground", Kind: setting.Switch, Usage: "stay, and log to standard error", In: []string{"start"}},
	{Name: "configfile", Value: "file", Kind: setting.Path,
		Usage: "the configuration file", In: slices.Concat(inModes, inDevice, []string{"reload"}, inChange, inLists, daemon.InService("install"))},

	{Name: "peddevice", Key: "PedDevice", Value: "device", Kind: setting.Text, Default: "usb", Check: usbped.CheckDevice, Abs: usbped.AbsDevice,
		Usage: "the PED: usb (the only one), usb:SERIAL, unix:PATH, or pipe:NAME (Windows)", In: inServer},
	{Name: "usbid", Key: "UsbID", Value: "vvvv:pppp", Kind: setting.Text, Check: usbped.CheckUSBID,
		Usage: "look at USB devices with these ids only (any)", In: inServer},
	{Name: "ip", Key: "IP", Value: "address", Kind: setting.Text, Many: true, Check: setting.CheckHost,
		Usage: "listen here only; may be repeated. In register: the appliance", In: slices.Concat(inServer, []string{"appliance register"})},
	setting.Port("port", "Port", pedserver.DefaultPort, "TCP port for HSM hosts. In register: the appliance's (9697)", slices.Concat(inServer, []string{"appliance register"})),
	setting.OnOff("eserverport", "ExternalServer", true, false, "0: listen for HSM hosts of this computer only", inServer),
	setting.Port("admin", "AdminPort", pedserver.DefaultAdminPort, "TCP port for administrators of other computers", slices.Concat(inServer, inRemote)),
	setting.OnOff("eadmin", "ExternalAdmin", false, false, "1: open it to registered administrators", inServer),
	daemon.AdminGroup("see its status, and connect, disconnect, release, claim", inServer),
	{Name: "allow", Key: "AllowedClients", Value: "network", Kind: setting.Text, Many: true, Check: setting.CheckNetwork, Live: true,
		Usage: "serve HSM hosts of these addresses only; may be repeated", In: inServer},
	{Name: "tls", Key: "TLS", Value: "0, 1 or 2", Live: true, Kind: setting.Int, Min: 0, Max: 2, Default: "1",
		Usage: "0 no TLS, 1 for hosts that want it, 2 for all hosts", In: inServer},
	setting.OnOff("waitaddress", "WaitForAddress", false, false, "1: wait for an -ip that this computer does not have yet", inServer),
	{Name: "connectto", Key: "ConnectTo", Value: "name", Kind: setting.Text, Many: true, Check: setting.CheckName,
		Usage: "start peer-to-peer, for this appliance; may be repeated", In: inServer},
	setting.OnOff("autoconnect", "AutoConnect", false, false, "1: start -name connects by itself", inServer),
	setting.Port("metricsport", "MetricsPort", 0, "metrics on this port of this computer (off)", inServer),

	setting.Seconds("idletimeout", "IdleTimeout", 0, 1800, true, "without PED traffic; 0: no limit", inServer),
	setting.Seconds("pinginterval", "PingInterval", 1, 1, true, "between two pings to the HSM host", inServer),
	setting.Seconds("pingtimeout", "PingTimeout", 2, 3, true, "silence of an HSM host that is lost", inServer),
	setting.Seconds("socketreadtimeout", "SocketReadTimeout", 1, 5, true, "for a new HSM host to say who it is", inProcess),
	setting.Seconds("socketwritetimeout", "SocketWriteTimeout", 1, 3, true, "for one frame to the HSM host", inProcess),
	setting.Seconds("internalshutdowntimeout", "InternalShutdownTimeout", 1, 5, false, "for the services inside to end", inProcess),
	setting.Seconds("bgprocessstartuptimeout", "BGProcessStartupTimeout", 1, 10, false, "for the process to start", inProcess),
	setting.Seconds("bgprocessshutdowntimeout", "BGProcessShutdownTimeout", 1, 10, false, "for the process to end", inProcess),
	{Name: "pedwritedelay", Aliases: []string{"pedwritelay"}, Key: "PedWriteDelay", Value: "microseconds", Unit: "microseconds", Kind: setting.Int, Min: 0, Max: 10000, Default: "0", Live: true,
		Usage: "pause after each block that is written to the PED", In: inServer},
},
	daemon.ServiceSettings([]string{"start", "stop", "show", "config", "reload"}),
	daemon.LogSettings(inModes),
	linkcmd.Settings([]string{"appliance register", "administrator register"}, inRemote, inServer),
)

// opener is how to get at the PED that the settings name.
func opener(v *setting.Values) usbped.Opener {
	var usb func(string) usbped.Opener
	if USB != nil {
		usb = func(serial string) usbped.Opener { return USB(v.Text("usbid"), serial) }
	}
	o, _ := usbped.ParseDevice(v.Text("peddevice"), usb) // checked when it was read
	return o
}
