package logs

import "openped/internal/cmdline"

// Flags returns the log options that every command of both daemons takes.
func Flags(path *string, levels *Levels) []*cmdline.Flag {
	return []*cmdline.Flag{
		{Name: "logfile", Aliases: []string{"logfilename"}, Value: "file", Usage: "log to this file", Set: cmdline.String(path)},
		{Name: "loginfo", Value: "0 or 1", Usage: "log information (default 1)", Set: cmdline.Bit(&levels.Info)},
		{Name: "logwarning", Value: "0 or 1", Usage: "log warnings (default 1)", Set: cmdline.Bit(&levels.Warning)},
		{Name: "logerror", Value: "0 or 1", Usage: "log errors (default 1)", Set: cmdline.Bit(&levels.Error)},
		{Name: "logtrace", Value: "0 or 1", Usage: "log every step, without contents (default 0)", Set: cmdline.Bit(&levels.Trace)},
	}
}
