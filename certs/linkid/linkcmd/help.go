package linkcmd

import "fmt"

// administratorHelp are the texts about a program's administrators.
func administratorHelp(program string) Help {
	return Help{
		Register: fmt.Sprintf(`
%s -administrator register -name <name> -certificate <file>

Registers somebody who may use the admin port from another computer while
that is open.

  -name <name>            what to call him here: letters, digits, . _ -
  -certificate <file>     his certificate (-regen on his computer says where it
                          is). A copy is kept
  -configfile <file>      where he is registered
`, program),
		List: fmt.Sprintf(`
%[1]s -administrator list [flags]

Lists who may use the admin port from another computer.

  -format <text or json>  json has the fields that docs/cli/%[1]s.md lists
  -configfile <file>      where they are registered
`, program),
		Delete: fmt.Sprintf(`
%s -administrator delete -name <name> [-force] [-configfile <file>]

Forgets an administrator after asking.

  -name <name>            which one
  -force                  do not ask
  -configfile <file>      where he is registered
`, program),
	}
}

// regenHelp is the text about -regen: whose certificate it makes, and with which
// command it is registered elsewhere.
func regenHelp(program, whose, register string) string {
	return fmt.Sprintf(`
%s -regen -commonname <name> [-force] [-configfile <file>]

Makes a new private key and certificate for this %s and enters them in
the configuration file. Asks before it replaces a pair. Connections go on as
they are; the new certificate must then be registered again wherever the old one
was (%s).

  -commonname <name>      the name in the certificate: letters, digits, . _ -
  -force                  replace without asking
  -configfile <file>      where they are entered
`, program, whose, register)
}
