package service

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Plist returns the text of the service's launchd definition. Nobody has tried it
// on a Mac yet.
func (s Spec) Plist() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
`)
	key := func(name, value string) { fmt.Fprintf(&b, "\t<key>%s</key>\n\t%s\n", name, value) }
	text := func(v string) string {
		var e strings.Builder
		_ = xml.EscapeText(&e, []byte(v))
		return "<string>" + e.String() + "</string>"
	}
	key("Label", text(Label(s.Name)))
	args := "<array>"
	for _, a := range append([]string{s.Path}, s.arguments(s.RunFlags)...) {
		args += "\n\t\t" + text(a)
	}
	key("ProgramArguments", args+"\n\t</array>")
	key("UserName", text("_"+s.Program))
	key("GroupName", text("_"+s.Program))
	key("RunAtLoad", "<true/>")
	// Started again after a failure only, and not more often than every 5 s.
	key("KeepAlive", "<dict>\n\t\t<key>SuccessfulExit</key>\n\t\t<false/>\n\t</dict>")
	key("ThrottleInterval", "<integer>5</integer>")
	key("ExitTimeOut", "<integer>20</integer>")
	key("Umask", "<integer>23</integer>") // 0027
	key("StandardErrorPath", text("/usr/local/var/openped/"+s.Name+"/log/stderr.log"))
	b.WriteString("</dict>\n</plist>\n")
	return b.String()
}
