package cli

// The help of each command, below the version line. Each fits a screen of 24
// lines and 80 columns; test/docs holds it to the table of settings.

const helpAll = `
Relays between the PED of this workstation and HSM hosts.

  pedserver -mode start [-peddevice <device>]    start it in the background
  pedserver -mode show                           the PED, and who has it
  pedserver -mode stop                           end it
  pedserver -mode config -show | -set <flags>    the settings
  pedserver -mode reload                         read that file again
  pedserver -mode release|claim                  give the PED up, take it back

HSM hosts that this PEDserver calls itself (peer-to-peer):
  pedserver -regen -commonname <name>            make its certificate
  pedserver -appliance register|list|delete      the HSM hosts to call
  pedserver -mode start -name <appliance>        start it for one of them
  pedserver -mode connect -name <appliance>      call it
  pedserver -mode disconnect -name <appliance>   hang up

  pedserver -administrator register|list|delete  who may use the admin port
  pedserver -service install|prepare|uninstall|start|stop|restart|status

pedserver -mode start -help explains a command, pedserver -help all all flags.
Exit codes: 0 done, 1 wrong command line, 2 failed, 3 not running.
`

const helpStart = `
pedserver -mode start [-name <appliance>] [flags]

Starts it in the background. With -name, or -connectto <name> in the file, it
serves HSM hosts that it calls (-mode connect), else those that call it.
  -peddevice <device>    usb, usb:SERIAL, unix:PATH (usb); -usbid <vvvv:pppp>
  -ip <address>          listen here only; may be repeated (all addresses)
  -port <port>           for HSM hosts (1503); -eserverport 0: of this computer
  -eadmin <0 or 1>       1: open -admin <port> to administrators (0, 1502)
  -admingroup <group>    who may ask it too: show, connect, release … (nobody)
  -allow <network>       serve these addresses only; may be repeated (all)
  -tls <0, 1 or 2>       no TLS, for hosts that want it, for all hosts (1)
  -waitaddress <0 or 1>  wait for an -ip that is not here yet (0)
  -autoconnect <0 or 1>  with -name: connect by itself (0)
  -idletimeout <s>       without PED traffic (1800); -metricsport <port> (off)
  -pinginterval <s>, -pingtimeout <s>              of HSM hosts (1, 3)
  -socketreadtimeout <s>, -socketwritetimeout <s>  of HSM hosts (5, 3)
  -internalshutdowntimeout, -bgprocessstartuptimeout, -bgprocessshutdowntimeout
  -pedwritedelay <us>    pause after each block to the PED (0 to 10000; 0)
  -logfile, -loginfo, -logwarning, -logerror, -logtrace, -maxlogfilesize <KB>
  -configfile <file>, -certfile <file>, -privkeyfile <file>, -foreground, -force
  -instance <service>    run as that service, or start it; -winservice: there
`

const helpStop = `
pedserver -mode stop [-name <appliance>] [flags]

Tells the HSM host, makes the PED idle, ends the process and waits for its end.
With -name only that appliance is let go; the process ends with the last one.

  -name <appliance>       a peer-to-peer PEDserver's appliance
  -force                  kill a process that does not end in time
  -bgprocessshutdowntimeout <seconds>   for the process to end (10)
  -adminhost <host>       the pedserver of that computer, through its port
    -admin <port>         (1502); -certificate <file> is its certificate
  -instance <service>     the service of that name (pedserver)
  -configfile <file>

For old scripts also -socketreadtimeout, -socketwritetimeout, -loginfo,
-internalshutdowntimeout, -bgprocessstartuptimeout, -logfile, -logwarning,
-logerror, -logtrace and -maxlogfilesize: they are the running one's business.
`

const helpShow = `
pedserver -mode show [-name <appliance>] [flags]

Shows whether pedserver runs, the PED, who has it, and where it listens.

  -name <appliance>       that appliance's connection only (peer-to-peer)
  -format <text or json>  json has the fields that docs/cli/pedserver.md lists
  -adminhost <host>       the pedserver of that computer, through its port
    -admin <port>         (1502); -certificate <file> is its certificate
  -instance <service>     the service of that name (pedserver)
  -configfile <file>

For old scripts also -logfile, -loginfo, -logwarning, -logerror, -logtrace and
-maxlogfilesize: show writes no log.
`

const helpConfig = `
pedserver -mode config -show [-format <text or json>]
pedserver -mode config -set <flag> <value> … | -set <Key> <value> …
pedserver -mode config -name <appliance> -show | -set [-ip …] [-port …]

Shows every setting with its value and where that comes from, or writes the
flags given into the configuration file and leaves the rest of it as it is. A
running pedserver is told; the answer says which settings took effect and which
need a restart. With -name it is about a registered appliance.

  -show, -set, -name <appliance>, -format <text or json>, -configfile <file>,
  -instance <service>

Settings: -peddevice -usbid -ip -port -eserverport -admin -eadmin -admingroup
  -allow -tls -waitaddress -connectto -autoconnect -metricsport -idletimeout
  -pinginterval -pingtimeout -socketreadtimeout -socketwritetimeout
  -internalshutdowntimeout
  -bgprocessstartuptimeout -bgprocessshutdowntimeout -pedwritedelay -logfile
  -loginfo -logwarning -logerror -logtrace -maxlogfilesize -certfile
  -privkeyfile; pedserver -mode start -help explains them.
`

const helpConnect = `
pedserver -mode connect -name <appliance> [flags]

Calls a registered appliance, 20 times at most, and waits for the result. A
connection that is lost later comes back by itself until disconnect or stop.
Needs a pedserver that was started with -name.

  -name <appliance>       which one
  -adminhost <host>       the pedserver of that computer, through its port
    -admin <port>         (1502); -certificate <file> is its certificate
  -configfile <file>

For old scripts also -logfile, -loginfo, -logwarning, -logerror, -logtrace and
-maxlogfilesize: the running pedserver writes the log.
`

const helpDisconnect = `
pedserver -mode disconnect -name <appliance> [flags]

Hangs up and does not call again until the next connect. An HSM that is using
the PED is told. Needs a pedserver that was started with -name.

  -name <appliance>       which one
  -adminhost <host>       the pedserver of that computer, through its port
    -admin <port>         (1502); -certificate <file> is its certificate
  -configfile <file>

For old scripts also -logfile, -loginfo, -logwarning, -logerror, -logtrace and
-maxlogfilesize: the running pedserver writes the log.
`

const helpRelease = `
pedserver -mode release [-force] [-configfile <file>]

Makes the running pedserver close the PED, so that another program can have it:
one that updates its firmware, say. pedserver goes on; HSM hosts that ask for
the PED are told why they do not get it. It stays so until the next start, or
pedserver -mode claim. Refused while an HSM has the PED.

  -force                  take the PED from the HSM that has it: for root and
                          pedserver's user only
  -configfile <file>
`

const helpClaim = `
pedserver -mode claim [-configfile <file>]

Makes the running pedserver take the PED back that it gave up, and says how it
stands with it.

  -configfile <file>
`

const helpReload = `
pedserver -mode reload [flags]

Makes the running pedserver read its configuration file again (SIGHUP does the
same), and says which settings took effect and which need a restart.

  -adminhost <host>       the pedserver of that computer, through its port
    -admin <port>         (1502); -certificate <file> is its certificate
  -instance <service>     the service of that name (pedserver)
  -configfile <file>
`

const helpApplianceRegister = `
pedserver -appliance register -name <name> -certificate <file> -ip <host>

Registers an HSM host that this PEDserver calls (peer-to-peer). Its PEDclient
must have this PEDserver registered too: pedclient -pedserver register.

  -name <name>            what to call it here: letters, digits, . _ -
  -certificate <file>     its certificate, fetched from it: pedclient -regen
                          says where it is. A copy is kept
  -ip <host>              its address or host name, looked up at each connect
  -port <port>            its port for PEDservers (9697)
  -configfile <file>      where it is registered
`

const helpApplianceList = `
pedserver -appliance list [flags]

Lists the registered appliances.

  -format <text or json>  json has the fields that docs/cli/pedserver.md lists
  -configfile <file>      where they are registered
`

const helpApplianceDelete = `
pedserver -appliance delete -name <name> [-force] [-configfile <file>]

Forgets a registered appliance after asking. A running pedserver that has a
connection to it ends that.

  -name <name>            which one
  -force                  do not ask
  -configfile <file>      where it is registered
`
