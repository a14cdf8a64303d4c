// Package rundir says where the daemons keep their sockets, locks, logs,
// configuration and identity (docs/SPEC.md, "Local sockets" and
// "Configuration files"):
//
//	                run                          state (logs)
//	OPENPED_RUNDIR  that folder                  that folder
//	root            /run/openped                 /var/log/openped
//	other users     $XDG_RUNTIME_DIR/openped     $XDG_STATE_HOME/openped
//	                or STATE/run                 or ~/.local/state/openped
//	Windows         %LOCALAPPDATA%\openped\run   %LOCALAPPDATA%\openped
//
//	                configuration                data
//	OPENPED_RUNDIR  that folder                  that folder
//	root            /etc                         /var/lib/openped
//	other users     $XDG_CONFIG_HOME/openped     $XDG_DATA_HOME/openped
//	                or ~/.config/openped,        or ~/.local/share/openped
//	                else a file in /etc
//	Windows         %ProgramData%\openped        %ProgramData%\openped
//	its users       %APPDATA%\openped,           %LOCALAPPDATA%\openped
//	                else a file of the above
//
// A service called NAME (Service) has folders of its own, whoever asks for it:
//
//	                run                              state (logs)
//	Linux           /run/openped/NAME                /var/log/openped/NAME
//	Windows         %ProgramData%\openped\NAME\run   %ProgramData%\openped\NAME\log
//
//	                configuration                    data
//	Linux           /etc                             /var/lib/openped/NAME
//	Windows         %ProgramData%\openped            %ProgramData%\openped\NAME
//
// A folder in which another user could plant a socket is refused: one-time
// passwords and PED commands pass through these sockets.
package rundir
