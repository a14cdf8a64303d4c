package daemon

import "fmt"

// serviceTexts are the help of the commands of -service.
type serviceTexts struct{ install, prepare, uninstall, start, stop, restart, status string }

func serviceHelp(program string) serviceTexts {
	flags := `
  -name <name>            the service; without it the one called ` + program + `
`
	text := func(word, more, what string) string {
		return fmt.Sprintf("\n%s -service %s [-name <name>]%s\n\n%s%s", program, word, more, what, flags)
	}
	return serviceTexts{
		install: text("install", " [-configfile <file>]", `Makes a service of this computer, which starts with it and again after it has
failed, under a user of its own with no more rights than it needs, and starts
it. Needs root, or an administrator. Its settings are those of a file.
`) + `  -configfile <file>      which file, if not the one that config shows for it
`,
		prepare: text("prepare", "", `Makes the folders, the groups and the access lists of a service that a package
has made, or puts them right, and has it started again after a failure. That is
for packages; install does it too.
`),
		uninstall: text("uninstall", "", `Stops the service and takes it away. Its configuration, its state and its logs
stay; the answer says where they are. One that a package brought goes with the
package.
`),
		start: text("start", "", `Starts the service. It is done when the service serves; else it says why the
service does not, in its own words.
`),
		stop: text("stop", "", `Ends the service and waits for its end.
`),
		restart: text("restart", "", `Ends the service if it runs, and starts it.
`),
		status: text("status", " [-format <text or json>]", `Shows whether the service is installed, runs, and starts with the computer. The
exit code is 3 if it does not run.
`) + `  -format <text or json>  json has the fields that docs/cli/` + program + `.md lists
`,
	}
}
