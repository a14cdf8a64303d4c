package cli

import (
	"fmt"
	"slices"

	"openped/internal/setting"
	"openped/pedclient"
)

// maxSeconds is the longest time-out that can be set: a day.
const maxSeconds = 86400

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
)

// table is every flag of pedclient (docs/cli/pedclient.md).
var table = setting.Table{
	{Name: "id", Value: "PED ID", Kind: setting.Int, Min: 1, Max: 65535, Usage: "the PED ID", In: inIDs},
	{Name: "id_serialnumber", Value: "serial", Kind: setting.Text, Check: setting.CheckSerial, Usage: "serial number of the HSM", In: []string{"assignid"}},
	{Name: "id_ip", Value: "host", Kind: setting.Text, Check: setting.CheckHost, Usage: "address or host name of the PEDserver", In: []string{"setid"}},
	{Name: "id_port", Value: "port", Kind: setting.Int, Min: 1, Max: 65535, Usage: "its port", In: []string{"setid"}},
	{Name: "id_tls", Value: "0 or 1", Kind: setting.Bit, Default: "0", Usage: "1: call it with TLS", In: []string{"setid"}},
	{Name: "name", Value: "name", Kind: setting.Text, Check: setting.CheckName, Usage: "name of the PEDserver or administrator",
		In: []string{"pedserver register", "pedserver delete", "administrator register", "administrator delete"}},
	{Name: "show", Kind: setting.Switch, Usage: "print the settings and where each comes from", In: []string{"config"}},
	{Name: "set", Kind: setting.Switch, Usage: "write what follows into the configuration file", In: []string{"config"}},
	{Name: "force", Kind: setting.Switch, Usage: "ask nothing; in stop: kill a process that does not end",
		In: []string{"start", "stop", "pedserver delete", "administrator delete", "regen"}},
	{Name: "format", Value: "format", Kind: setting.Word, Words: []string{"text", "json"}, Default: "text",
		Usage: "text or json", In: slices.Concat([]string{"show", "config", "testid"}, inLists)},
	{Name: "foreground", Kind: setting.Switch, Usage: "stay, and log to standard error", In: []string{"start"}},
	{Name: "winservice", Kind: setting.Switch, Usage: "run as the Windows service", In: []string{"start"}},
	{Name: "configfile", Value: "file", Kind: setting.Path, Usage: "the configuration file",
		In: slices.Concat(inModes, inIDs, []string{"reload"}, inChange, inLists)},

	{Name: "hsm", Key: "HSM", Value: "file", Kind: setting.Path, Many: true, Usage: "HSM state file; repeat it for slots 2, 3, …",
		In: []string{"start", "config", "createhsm"}},
	{Name: "hsmgroup", Key: "HSMGroup", Value: "group", Kind: setting.Text, Usage: "whose members may use the HSMs too", In: inServer},
	{Name: "serial", Value: "serial", Kind: setting.Text, Check: setting.CheckSerial, Usage: "serial number of the new HSM", In: []string{"createhsm"}},
	{Name: "origin", Value: "folder", Kind: setting.Path, Usage: "its origin root; made if there is none", In: []string{"createhsm"}},
	{Name: "firmware", Value: "version", Kind: setting.Text, Default: "7.7.0", Usage: "what it behaves like", In: []string{"createhsm"}},
	{Name: "auth", Value: "ped or password", Kind: setting.Word, Words: []string{"ped", "password"}, Default: "ped",
		Usage: "how its roles log in", In: []string{"createhsm"}},

	{Name: "listenip", Key: "ListenIP", Value: "address", Kind: setting.Addr, Many: true, Usage: "listen for PEDservers here only; may be repeated", In: inServer},
	{Name: "listenport", Key: "ListenPort", Value: "port", Kind: setting.Int, Min: 1, Max: 65535, Default: fmt.Sprint(pedclient.DefaultListenPort),
		Usage: "TCP port for registered PEDservers", In: inServer},
	{Name: "admin", Key: "AdminPort", Value: "port", Kind: setting.Int, Min: 1, Max: 65535, Default: fmt.Sprint(pedclient.DefaultAdminPort),
		Usage: "TCP port for administrators of other computers", In: slices.Concat(inServer, inRemote)},
	{Name: "eadmin", Key: "ExternalAdmin", Value: "0 or 1", Kind: setting.Bit, Default: "0",
		Usage: "1: open it to registered administrators", In: inCalls},
	{Name: "waitaddress", Key: "WaitForAddress", Value: "0 or 1", Kind: setting.Bit, Default: "0",
		Usage: "1: wait for a -listenip that this computer does not have yet", In: inServer},
	{Name: "metricsport", Key: "MetricsPort", Value: "port", Kind: setting.Int, Min: 1, Max: 65535,
		Usage: "metrics on this port of this computer (off)", In: inServer},

	{Name: "idletimeout", Key: "IdleTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 0, Max: maxSeconds, Default: "1800", Live: true,
		Usage: "without PED traffic; 0: as the PEDserver decides", In: inServer},
	{Name: "ignoreidletimeout", Key: "IgnoreIdleTimeout", Kind: setting.Switch, Live: true,
		Usage: "no idle time-out for an HSM and the PED ID assigned to it", In: inServer},
	{Name: "pinginterval", Key: "PingInterval", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "1", Live: true,
		Usage: "between two pings to a PEDserver", In: inServer},
	{Name: "pingtimeout", Key: "PingTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 2, Max: maxSeconds, Default: "3", Live: true,
		Usage: "silence of a PEDserver that is lost", In: inServer},
	{Name: "socketreadtimeout", Key: "SocketReadTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "10", Live: true,
		Usage: "for a PEDserver to answer", In: inCalls},
	{Name: "socketwritetimeout", Key: "SocketWriteTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "3", Live: true,
		Usage: "for one frame to a PEDserver", In: inCalls},
	{Name: "shutdowntimeout", Key: "ShutdownTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "8",
		Usage: "for the services inside to end", In: inProcess},
	{Name: "pstartuptimeout", Key: "StartupTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "15",
		Usage: "for the process to start", In: inProcess},
	{Name: "pshutdowntimeout", Key: "ProcessShutdownTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "15",
		Usage: "for the process to end", In: inProcess},

	{Name: "logfile", Aliases: []string{"logfilename"}, Key: "LogFileName", Value: "file", Kind: setting.Path, Live: true,
		Usage: "log to this file", In: slices.Concat(inModes, inIDs)},
	{Name: "loginfo", Key: "LogInfo", Value: "0 or 1", Kind: setting.Bit, Default: "1", Live: true, Usage: "log information", In: slices.Concat(inModes, inIDs)},
	{Name: "logwarning", Key: "LogWarning", Value: "0 or 1", Kind: setting.Bit, Default: "1", Live: true, Usage: "log warnings", In: slices.Concat(inModes, inIDs)},
	{Name: "logerror", Key: "LogError", Value: "0 or 1", Kind: setting.Bit, Default: "1", Live: true, Usage: "log errors", In: slices.Concat(inModes, inIDs)},
	{Name: "logtrace", Key: "LogTrace", Value: "0 or 1", Kind: setting.Bit, Default: "0", Live: true, Usage: "log every step, without contents", In: slices.Concat(inModes, inIDs)},
	{Name: "maxlogfilesize", Key: "MaxLogFileSize", Value: "KB", Unit: "KB", Kind: setting.Int, Min: 16, Max: 1 << 20, Default: "8192", Live: true,
		Usage: "size at which the log begins anew", In: slices.Concat(inModes, inIDs)},
	{Name: "locallogger", Key: "LocalLogger", Kind: setting.Switch, Usage: "log to the file and not to the system's log", In: slices.Concat(inModes, inIDs)},

	{Name: "certificate", Value: "file", Kind: setting.Path, Usage: "certificate of the one that is meant",
		In: slices.Concat([]string{"pedserver register", "administrator register"}, inRemote)},
	{Name: "commonname", Value: "name", Kind: setting.Text, Check: setting.CheckName, Usage: "name of this PEDclient in its new certificate", In: []string{"regen"}},
	{Name: "certfile", Key: "CertFile", Value: "file", Kind: setting.Path, Live: true, Usage: "certificate of this PEDclient (-regen sets it)", In: inServer},
	{Name: "privkeyfile", Key: "PrivKeyFile", Value: "file", Kind: setting.Path, Live: true, Usage: "its private key (-regen sets it)", In: inServer},
	{Name: "adminhost", Value: "host", Kind: setting.Text, Check: setting.CheckHost, Usage: "the pedclient of that computer, through its admin port", In: inRemote},
}
