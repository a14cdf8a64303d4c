package cli

// The help of each command, below the version line. Each fits a screen of 24
// lines and 80 columns; test/docs holds it to the table of settings.

const helpAll = `
Runs the HSM slots of this host and connects them to remote PEDs.

  pedclient -mode start -hsm <file>        start it in the background
  pedclient -mode show                     the slots and their connections
  pedclient -mode stop                     end it
  pedclient -mode config -show | -set …    the settings
  pedclient -mode reload                   read the configuration file again
  pedclient -mode createhsm -hsm <file> -serial <serial> -origin <folder>
                                           make a virtual HSM
PED IDs, numbers that stand for a PEDserver's host and port:
  pedclient -mode setid|testid|deleteid    enter, try out, forget one
  pedclient -mode assignid|releaseid       give one to an HSM, take it back
  pedclient -mode listid                   list them
PEDservers that call this host (peer-to-peer):
  pedclient -regen -commonname <name>      make this PEDclient's certificate
  pedclient -pedserver register|list|delete      who may call
  pedclient -administrator register|list|delete  who may use the admin port
  pedclient -service install|prepare|uninstall|start|stop|restart|status

pedclient -mode start -help explains a command, pedclient -help all all flags.
Exit codes: 0 done, 1 wrong command line, 2 failed, 3 not running.
`

const helpStart = `
pedclient -mode start -hsm <file> [-hsm <file> …] [flags]

Starts it in the background. Defaults stand in brackets; flags beat the
configuration file.
  -hsm <file>              HSM state file; repeat it for slots 2, 3, …
  -hsmgroup <group>        whose members may use the HSMs too
  -peddevice <device>      PED of this host (usb); -usbid <vvvv:pppp> narrows it
  -listenip <address>      listen for PEDservers here only; may be repeated
  -listenport <port>       for registered PEDservers (9697)
  -eadmin <0 or 1>         1: open -admin <port> to administrators (0, 1501)
  -waitaddress <0 or 1>    wait for a -listenip that is not here yet (0)
  -admingroup <group>      who may ask it too: show; -metricsport <port> (off)
  -idletimeout <s>         without PED traffic; 0 as the PEDserver has it (1800)
  -ignoreidletimeout       none for an HSM and the PED ID assigned to it
  -pinginterval <s>, -pingtimeout <s>                of PEDservers (1, 3)
  -socketreadtimeout <s>, -socketwritetimeout <s>    of PEDservers (10, 3)
  -shutdowntimeout, -pstartuptimeout, -pshutdowntimeout <s>    (8, 15, 15)
  -logfile, -loginfo, -logwarning, -logerror, -logtrace, -maxlogfilesize <KB>,
  -locallogger             where and what to log
  -configfile, -certfile, -privkeyfile <file>, -foreground, -winservice, -force,
  -instance <service>      run as that service, or start it
`

const helpStop = `
pedclient -mode stop [flags]

Cancels what is running, closes the channels, ends the process and waits for its
end.

  -force                  kill a process that does not end in time
  -pshutdowntimeout <seconds>   for the process to end (15)
  -adminhost <host>       the pedclient of that computer, through its port
    -admin <port>         (1501); -certificate <file> is its certificate
  -instance <service>     the service of that name (pedclient)
  -configfile <file>

For old scripts also -eadmin, -socketreadtimeout, -socketwritetimeout,
-shutdowntimeout, -pstartuptimeout, -logfile, -loginfo, -logwarning, -logerror,
-logtrace, -maxlogfilesize and -locallogger: the running one's business.
`

const helpShow = `
pedclient -mode show [flags]

Shows whether pedclient runs, its slots and their connections.

  -format <text or json>  json has the fields that docs/cli/pedclient.md lists
  -adminhost <host>       the pedclient of that computer, through its port
    -admin <port>         (1501); -certificate <file> is its certificate
  -instance <service>     the service of that name (pedclient)
  -configfile <file>

For old scripts also -eadmin, -socketreadtimeout, -socketwritetimeout, -logfile,
-loginfo, -logwarning, -logerror, -logtrace, -maxlogfilesize and -locallogger:
they are the running one's business.
`

const helpConfig = `
pedclient -mode config -show [-format <text or json>]
pedclient -mode config -set <flag> <value> … | -set <Key> <value> …

Shows every setting with its value and where that comes from, or writes the
flags given into the configuration file and leaves the rest of it as it is. A
running pedclient is told; the answer says which settings took effect and which
need a restart.

  -show, -set, -format <text or json>, -configfile <file>, -instance <service>

Settings: -hsm -hsmgroup -peddevice -usbid -listenip -listenport -admin -eadmin
  -admingroup -waitaddress -metricsport -idletimeout -ignoreidletimeout
  -pinginterval -pingtimeout -socketreadtimeout -socketwritetimeout
  -shutdowntimeout -pstartuptimeout -pshutdowntimeout -logfile -loginfo
  -logwarning -logerror -logtrace -maxlogfilesize -locallogger -certfile
  -privkeyfile;
  pedclient -mode start -help explains them.
`

const helpReload = `
pedclient -mode reload [flags]

Makes the running pedclient read its configuration file again (SIGHUP does the
same), and says which settings took effect and which need a restart.

  -adminhost <host>       the pedclient of that computer, through its port
    -admin <port>         (1501); -certificate <file> is its certificate
  -instance <service>     the service of that name (pedclient)
  -configfile <file>
`

const helpCreateHSM = `
pedclient -mode createhsm -hsm <file> -serial <serial> -origin <folder> [flags]

Makes a virtual HSM in a new state file.

  -hsm <file>             the new file; an existing one is never replaced
  -serial <serial>        1 to 32 letters, digits, dashes; each HSM its own
  -origin <folder>        its origin root; made if there is none
  -firmware <version>     what it behaves like (7.7.0)
  -auth <ped or password> how its roles log in (ped)
`

// logsToo ends the help of the PED ID commands.
const logsToo = `
For old scripts also -logfile, -loginfo, -logwarning, -logerror, -logtrace,
-maxlogfilesize and -locallogger: this command writes no log.
`

const helpSetID = `
pedclient -mode setid -id <PED ID> -id_ip <host> -id_port <port> [-id_tls 1]

Lets a PED ID stand for a PEDserver. An ID that exists is changed.

  -id <PED ID>            1 to 65535
  -id_ip <host>           address or host name, looked up at each connect
  -id_port <port>         the PEDserver's port
  -id_tls <0 or 1>        1: call it with TLS; both must be registered (0)
  -configfile <file>      where it is entered
` + logsToo

const helpTestID = `
pedclient -mode testid -id <PED ID> [-format <text or json>]

Calls the PEDserver of a PED ID and says how long that took, its versions, and
whether it has a PED. Nobody loses the PED by that.

  -id <PED ID>            1 to 65535
  -format <text or json>  json has the fields that docs/cli/pedclient.md lists
  -configfile <file>      where it is entered
` + logsToo

const helpAssignID = `
pedclient -mode assignid -id <PED ID> -id_serialnumber <serial>

Gives a PED ID to one HSM: "ped connect" without an address goes there. An ID
has one HSM at most, an HSM one ID.

  -id <PED ID>            1 to 65535; setid comes first
  -id_serialnumber <serial>   the HSM's serial number
  -configfile <file>      where it is entered
` + logsToo

const helpReleaseID = `
pedclient -mode releaseid -id <PED ID>

Takes a PED ID back from the HSM it was assigned to.

  -id <PED ID>            1 to 65535
  -configfile <file>      where it is entered
` + logsToo

const helpDeleteID = `
pedclient -mode deleteid -id <PED ID>

Forgets a PED ID. One that is assigned stays: releaseid comes first.

  -id <PED ID>            1 to 65535
  -configfile <file>      where it is entered
` + logsToo

const helpListID = `
pedclient -mode listid [flags]

Lists the PED IDs.

  -format <text or json>  json has the fields that docs/cli/pedclient.md lists
  -configfile <file>      where they are entered
`

const helpPEDServerRegister = `
pedclient -pedserver register -name <name> -certificate <file>

Registers a PEDserver that may call this host (peer-to-peer). There this host
must be registered too: pedserver -appliance register.

  -name <name>            what to call it here: letters, digits, . _ -
  -certificate <file>     its certificate, fetched from it: pedserver -regen
                          says where it is. A copy is kept
  -configfile <file>      where it is registered
`

const helpPEDServerList = `
pedclient -pedserver list [flags]

Lists the registered PEDservers.

  -format <text or json>  json has the fields that docs/cli/pedclient.md lists
  -configfile <file>      where they are registered
`

const helpPEDServerDelete = `
pedclient -pedserver delete -name <name> [-force] [-configfile <file>]

Forgets a registered PEDserver after asking.

  -name <name>            which one
  -force                  do not ask
  -configfile <file>      where it is registered
`
