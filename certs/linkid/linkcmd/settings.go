package linkcmd

import (
	"slices"

	"openped/internal/setting"
)

// Settings are the settings of a daemon's identity: the commands that list them
// are those that register somebody, those that can be meant for a daemon elsewhere,
// and those that start one.
func Settings(register, remote, start []string) setting.Table {
	return setting.Table{
		{Name: "certificate", Value: "file", Kind: setting.Path, Usage: "certificate of the one that is meant", In: slices.Concat(register, remote)},
		{Name: "commonname", Value: "name", Kind: setting.Text, Check: setting.CheckName, Usage: "name of this daemon in its new certificate", In: []string{"regen"}},
		{Name: certSetting, Key: "CertFile", Value: "file", Kind: setting.Path, Live: true, Usage: "certificate of this daemon (-regen sets it)", In: start},
		{Name: keySetting, Key: "PrivKeyFile", Value: "file", Kind: setting.Path, Live: true, Usage: "its private key (-regen sets it)", In: start},
		{Name: "adminhost", Value: "host", Kind: setting.Text, Check: setting.CheckHost, Usage: "the daemon of that computer, through its admin port", In: remote},
	}
}
