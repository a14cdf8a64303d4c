package daemon

import (
	"os"
	"runtime"
	"strconv"

	"openped/internal/localsock"
	"openped/internal/setting"
)

// AdminGroup is the setting of who may ask the running daemon, besides its user
// and root, and do there what may says.
func AdminGroup(may string, in []string) *setting.Setting {
	return &setting.Setting{Name: "admingroup", Key: "AdminGroup", Value: "group", Kind: setting.Text,
		Usage: "whose members may " + may + " (of a service: its own group)", In: in}
}

// access returns who may call the administration socket. A service lets its own
// group in, unless that is root's; on Windows, where it has none, the group of that
// name if there is one.
func (c *Call) access() (localsock.Access, error) {
	var name string
	if c.Program.setting("admingroup") != nil {
		name = c.Values.Text("admingroup")
	}
	switch {
	case name != "":
		group, err := localsock.Group(name, "-admingroup")
		return localsock.Access{Group: group}, err
	case c.Dirs.Service == "":
	case runtime.GOOS == "windows":
		group, _ := localsock.Group(localsock.WindowsGroup, "-admingroup")
		return localsock.Access{Group: group}, nil
	case os.Getegid() > 0:
		return localsock.Access{Group: strconv.Itoa(os.Getegid())}, nil
	}
	return localsock.Access{}, nil
}
