package daemon

import "openped/internal/setting"

// LogSettings are the settings of the log that every program has. in are the
// commands that list them.
func LogSettings(in []string) setting.Table {
	return setting.Table{
		{Name: "logfile", Aliases: []string{"logfilename"}, Key: "LogFileName", Value: "file", Kind: setting.Path, Live: true, Usage: "log to this file", In: in},
		setting.OnOff("loginfo", "LogInfo", true, true, "log information", in),
		setting.OnOff("logwarning", "LogWarning", true, true, "log warnings", in),
		setting.OnOff("logerror", "LogError", true, true, "log errors", in),
		setting.OnOff("logtrace", "LogTrace", false, true, "log every step, without contents", in),
		{Name: "maxlogfilesize", Key: "MaxLogFileSize", Value: "KB", Unit: "KB", Kind: setting.Int, Min: 16, Max: 1 << 20, Default: "8192", Live: true,
			Usage: "size at which the log begins anew", In: in},
	}
}
