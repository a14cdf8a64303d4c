package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/setting"
	"openped/pedserver"
	"openped/usbped"
)

// maxSeconds is the longest time-out that can be set: a day.
const maxSeconds = 86400

// Which commands list a setting in their help. Every command takes every one.
var (
	inModes   = []string{"start", "stop", "show", "config", "connect", "disconnect"}
	inProcess = []string{"start", "stop", "config"}
	inServer  = []string{"start", "config"}
	inRemote  = []string{"stop", "show", "connect", "disconnect", "reload"}
	inChange  = []string{"appliance register", "appliance delete", "administrator register", "administrator delete", "regen"}
	inLists   = []string{"appliance list", "administrator list"}
)

// table is every flag of pedserver (docs/cli/pedserver.md).
var table = setting.Table{
	{Name: "name", Value: "name", Kind: setting.Text, Check: setting.CheckName,
		Usage: "a registered appliance; in start: call it, peer-to-peer",
		In:    slices.Concat(inModes, []string{"appliance register", "appliance delete", "administrator register", "administrator delete"})},
	{Name: "show", Kind: setting.Switch, Usage: "print the settings and where each comes from", In: []string{"config"}},
	{Name: "set", Kind: setting.Switch, Usage: "write what follows into the configuration file", In: []string{"config"}},
	{Name: "force", Kind: setting.Switch, Usage: "ask nothing; in stop: kill a process that does not end",
		In: []string{"start", "stop", "appliance delete", "administrator delete", "regen"}},
	{Name: "format", Value: "format", Kind: setting.Word, Words: []string{"text", "json"}, Default: "text",
		Usage: "text or json", In: slices.Concat([]string{"show", "config"}, inLists)},
	{Name: "foreground", Kind: setting.Switch, Usage: "stay, and log to standard error", In: []string{"start"}},
	{Name: "configfile", Value: "file", Kind: setting.Path,
		Usage: "the configuration file", In: slices.Concat(inModes, []string{"reload"}, inChange, inLists)},

	{Name: "peddevice", Key: "PedDevice", Value: "device", Kind: setting.Text, Check: checkDevice, Abs: absDevice,
		Usage: "the PED: unix:PATH of a software PED", In: inServer},
	{Name: "ip", Key: "IP", Value: "address", Kind: setting.Text, Many: true, Check: setting.CheckHost,
		Usage: "listen here only; may be repeated. In register: the appliance", In: slices.Concat(inServer, []string{"appliance register"})},
	{Name: "port", Key: "Port", Value: "port", Kind: setting.Int, Min: 1, Max: 65535, Default: fmt.Sprint(pedserver.DefaultPort),
		Usage: "TCP port for HSM hosts. In register: the appliance's (9697)", In: slices.Concat(inServer, []string{"appliance register"})},
	{Name: "eserverport", Key: "ExternalServer", Value: "0 or 1", Kind: setting.Bit, Default: "1",
		Usage: "0: listen for HSM hosts of this computer only", In: inServer},
	{Name: "admin", Key: "AdminPort", Value: "port", Kind: setting.Int, Min: 1, Max: 65535, Default: fmt.Sprint(pedserver.DefaultAdminPort),
		Usage: "TCP port for administrators of other computers", In: slices.Concat(inServer, inRemote)},
	{Name: "eadmin", Key: "ExternalAdmin", Value: "0 or 1", Kind: setting.Bit, Default: "0",
		Usage: "1: open it to registered administrators", In: inServer},
	{Name: "allow", Key: "AllowedClients", Value: "network", Kind: setting.Text, Many: true, Check: setting.CheckNetwork, Live: true,
		Usage: "serve HSM hosts of these addresses only; may be repeated", In: inServer},
	{Name: "tls", Key: "TLS", Value: "0, 1 or 2", Live: true, Kind: setting.Int, Min: 0, Max: 2, Default: "1",
		Usage: "0 no TLS, 1 for hosts that want it, 2 for all hosts", In: inServer},
	{Name: "waitaddress", Key: "WaitForAddress", Value: "0 or 1", Kind: setting.Bit, Default: "0",
		Usage: "1: wait for an -ip that this computer does not have yet", In: inServer},
	{Name: "autoconnect", Key: "AutoConnect", Value: "0 or 1", Kind: setting.Bit, Default: "0",
		Usage: "1: start -name connects by itself", In: inServer},
	{Name: "metricsport", Key: "MetricsPort", Value: "port", Kind: setting.Int, Min: 1, Max: 65535,
		Usage: "metrics on this port of this computer (off)", In: inServer},

	{Name: "idletimeout", Key: "IdleTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 0, Max: maxSeconds, Default: "1800", Live: true,
		Usage: "without PED traffic; 0: no limit", In: inServer},
	{Name: "pinginterval", Key: "PingInterval", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "1", Live: true,
		Usage: "between two pings to the HSM host", In: inServer},
	{Name: "pingtimeout", Key: "PingTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 2, Max: maxSeconds, Default: "3", Live: true,
		Usage: "silence of an HSM host that is lost", In: inServer},
	{Name: "socketreadtimeout", Key: "SocketReadTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "5", Live: true,
		Usage: "for a new HSM host to say who it is", In: inProcess},
	{Name: "socketwritetimeout", Key: "SocketWriteTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "3", Live: true,
		Usage: "for one frame to the HSM host", In: inProcess},
	{Name: "internalshutdowntimeout", Key: "InternalShutdownTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "5",
		Usage: "for the services inside to end", In: inProcess},
	{Name: "bgprocessstartuptimeout", Key: "BGProcessStartupTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "10",
		Usage: "for the process to start", In: inProcess},
	{Name: "bgprocessshutdowntimeout", Key: "BGProcessShutdownTimeout", Value: "seconds", Unit: "seconds", Kind: setting.Int, Min: 1, Max: maxSeconds, Default: "10",
		Usage: "for the process to end", In: inProcess},
	{Name: "pedwritedelay", Aliases: []string{"pedwritelay"}, Key: "PedWriteDelay", Value: "microseconds", Unit: "microseconds", Kind: setting.Int, Min: 0, Max: 10000, Default: "0", Live: true,
		Usage: "pause after each block that is written to the PED", In: inServer},

	{Name: "logfile", Aliases: []string{"logfilename"}, Key: "LogFileName", Value: "file", Kind: setting.Path, Live: true,
		Usage: "log to this file", In: inModes},
	{Name: "loginfo", Key: "LogInfo", Value: "0 or 1", Kind: setting.Bit, Default: "1", Live: true, Usage: "log information", In: inModes},
	{Name: "logwarning", Key: "LogWarning", Value: "0 or 1", Kind: setting.Bit, Default: "1", Live: true, Usage: "log warnings", In: inModes},
	{Name: "logerror", Key: "LogError", Value: "0 or 1", Kind: setting.Bit, Default: "1", Live: true, Usage: "log errors", In: inModes},
	{Name: "logtrace", Key: "LogTrace", Value: "0 or 1", Kind: setting.Bit, Default: "0", Live: true, Usage: "log every step, without contents", In: inModes},
	{Name: "maxlogfilesize", Key: "MaxLogFileSize", Value: "KB", Unit: "KB", Kind: setting.Int, Min: 16, Max: 1 << 20, Default: "8192", Live: true,
		Usage: "size at which the log begins anew", In: inModes},

	{Name: "certificate", Value: "file", Kind: setting.Path, Usage: "certificate of the one that is meant",
		In: slices.Concat([]string{"appliance register", "administrator register"}, inRemote)},
	{Name: "commonname", Value: "name", Kind: setting.Text, Check: setting.CheckName, Usage: "name of this PEDserver in its new certificate", In: []string{"regen"}},
	{Name: "certfile", Key: "CertFile", Value: "file", Kind: setting.Path, Live: true, Usage: "certificate of this PEDserver (-regen sets it)", In: inServer},
	{Name: "privkeyfile", Key: "PrivKeyFile", Value: "file", Kind: setting.Path, Live: true, Usage: "its private key (-regen sets it)", In: inServer},
	{Name: "adminhost", Value: "host", Kind: setting.Text, Check: setting.CheckHost, Usage: "the pedserver of that computer, through its admin port", In: inRemote},
}

func checkDevice(v string) error {
	if _, ok := usbped.ParseDevice(v, nil); !ok {
		return fmt.Errorf("%s is not a device; write unix:PATH, where PATH is the socket of softped", cmdline.Printable(v))
	}
	return nil
}

// absDevice keeps a socket's path absolute: the daemon leaves the folder it was
// started in.
func absDevice(v, folder string) string {
	if path, ok := strings.CutPrefix(v, "unix:"); ok && !filepath.IsAbs(path) {
		return "unix:" + filepath.Join(folder, path)
	}
	return v
}
