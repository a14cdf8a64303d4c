package cli

import (
	"slices"

	"openped/certs/linkid/linkcmd"
	"openped/internal/daemon"
	"openped/internal/setting"
	"openped/pedclient"
	"openped/usbped"
)

// Which commands list a setting in their help. Every command takes every one.
var (
	inModes   = []string{"start", "stop", "show", "config"}
	inIDs     = []string{"setid", "testid", "assignid", "releaseid", "deleteid"}
	inProcess = []string{"start", "stop", "config"}
	inCalls   = []string{"start", "stop", "show", "config"}
	inServer  = []string{"start", "config"}
	inRemote  = []string{"stop", "show", "reload"}
	inChange  = []string{"pedserver register", "pedserver delete", "administrator register", "administrator delete", "regen"}
	inLists   = []string{"listid", "pedserver list", "administrator list"}
	inService = daemon.InService("install", "prepare", "uninstall", "start", "stop", "restart", "status")
)

// table is every flag of pedclient (docs/cli/pedclient.md).
var table = slices.Concat(setting.Table{
	{Name: "id", Value: "PED ID", Kind: setting.Int, Min: 1, Max: 65535, Usage: "the PED ID", In: inIDs},
	{Name: "id_serialnumber", Value: "serial", Kind: setting.Text, Check: setting.CheckSerial, Usage: "serial number of the HSM", In: []string{"assignid"}},
	{Name: "id_ip", Value: "host", Kind: setting.Text, Check: setting.CheckHost, Usage: "address or host name of the PEDserver", In: []string{"setid"}},
	{Name: "id_port", Value: "port", Kind: setting.Int, Min: 1, Max: 65535, Usage: "its port", In: []string{"setid"}},
	{Name: "id_tls", Value: "0 or 1", Kind: setting.Bit, Default: "0", Usage: "1: call it with TLS", In: []string{"setid"}},
	{Name: "name", Value: "name", Kind: setting.Text, Check: setting.CheckName, Usage: "name of the PEDserver, administrator or service",
		In: slices.Concat([]string{"pedserver register", "pedserver delete", "administrator register", "administrator delete"}, inService)},
	{Name: "show", Kind: setting.Switch, Usage: "print the settings and where each comes from", In: []string{"config"}},
	{Name: "set", Kind: setting.Switch, Usage: "write what follows into the configuration file", In: []string{"config"}},
	{Name: "force", Kind: setting.Switch, Usage: "ask nothing; in stop: kill a process that does not end",
		In: []string{"start", "stop", "pedserver delete", "administrator delete", "regen"}},
	{Name: "format", Value: "format", Kind: setting.Word, Words: []string{"text", "json"}, Default: "text",
		Usage: "text or json", In: slices.Concat([]string{"show", "config", "testid"}, inLists, daemon.InService("status"))},
	{Name: "foreground", Kind: setting.Switch, Usage: "stay, and log to standard error", In: []string{"start"}},
	{Name: "configfile", Value: "file", Kind: setting.Path, Usage: "the configuration file",
		In: slices.Concat(inModes, inIDs, []string{"reload"}, inChange, inLists, daemon.InService("install"))},

	{Name: "hsm", Key: "HSM", Value: "file", Kind: setting.Path, Many: true, Usage: "HSM state file; repeat it for slots 2, 3, …",
		In: []string{"start", "config", "createhsm"}},
	{Name: "hsmgroup", Key: "HSMGroup", Value: "group", Kind: setting.Text, Usage: "whose members may use the HSMs too", In: inServer},
	{Name: "serial", Value: "serial", Kind: setting.Text, Check: setting.CheckSerial, Usage: "serial number of the new HSM", In: []string{"createhsm"}},
	{Name: "origin", Value: "folder", Kind: setting.Path, Usage: "its origin root; made if there is none", In: []string{"createhsm"}},
	{Name: "firmware", Value: "version", Kind: setting.Text, Default: "7.7.0", Usage: "what it behaves like", In: []string{"createhsm"}},
	{Name: "auth", Value: "ped or password", Kind: setting.Word, Words: []string{"ped", "password"}, Default: "ped",
		Usage: "how its roles log in", In: []string{"createhsm"}},

	{Name: "peddevice", Key: "PedDevice", Value: "device", Kind: setting.Text, Default: "usb", Check: usbped.CheckDevice, Abs: usbped.AbsDevice, Live: true,
		Usage: "a PED of this host: usb (the only one), usb:SERIAL, unix:PATH, or pipe:NAME (Windows)", In: inServer},
	{Name: "usbid", Key: "UsbID", Value: "vvvv:pppp", Kind: setting.Text, Check: usbped.CheckUSBID, Live: true,
		Usage: "look at USB devices with these ids only (any)", In: inServer},
	{Name: "listenip", Key: "ListenIP", Value: "address", Kind: setting.Addr, Many: true, Usage: "listen for PEDservers here only; may be repeated", In: inServer},
	setting.Port("listenport", "ListenPort", pedclient.DefaultListenPort, "TCP port for registered PEDservers", inServer),
	setting.Port("admin", "AdminPort", pedclient.DefaultAdminPort, "TCP port for administrators of other computers", slices.Concat(inServer, inRemote)),
	setting.OnOff("eadmin", "ExternalAdmin", false, false, "1: open it to registered administrators", inCalls),
	daemon.AdminGroup("see its status", inServer),
	setting.OnOff("waitaddress", "WaitForAddress", false, false, "1: wait for a -listenip that this computer does not have yet", inServer),
	setting.Port("metricsport", "MetricsPort", 0, "metrics on this port of this computer (off)", inServer),

	setting.Seconds("idletimeout", "IdleTimeout", 0, 1800, true, "without PED traffic; 0: as the PEDserver decides", inServer),
	{Name: "ignoreidletimeout", Key: "IgnoreIdleTimeout", Kind: setting.Switch, Live: true,
		Usage: "no idle time-out for an HSM and the PED ID assigned to it", In: inServer},
	setting.Seconds("pinginterval", "PingInterval", 1, 1, true, "between two pings to a PEDserver", inServer),
	setting.Seconds("pingtimeout", "PingTimeout", 2, 3, true, "silence of a PEDserver that is lost", inServer),
	setting.Seconds("socketreadtimeout", "SocketReadTimeout", 1, 10, true, "for a PEDserver to answer", inCalls),
	setting.Seconds("socketwritetimeout", "SocketWriteTimeout", 1, 3, true, "for one frame to a PEDserver", inCalls),
	setting.Seconds("shutdowntimeout", "ShutdownTimeout", 1, 8, false, "for the services inside to end", inProcess),
	setting.Seconds("pstartuptimeout", "StartupTimeout", 1, 15, false, "for the process to start", inProcess),
	setting.Seconds("pshutdowntimeout", "ProcessShutdownTimeout", 1, 15, false, "for the process to end", inProcess),
},
	daemon.ServiceSettings([]string{"start", "stop", "show", "config", "reload"}),
	daemon.LogSettings(slices.Concat(inModes, inIDs)),
	setting.Table{{Name: "locallogger", Key: "LocalLogger", Kind: setting.Switch, Usage: "log to the file and not to the system's log", In: slices.Concat(inModes, inIDs)}},
	linkcmd.Settings([]string{"pedserver register", "administrator register"}, inRemote, inServer),
)
