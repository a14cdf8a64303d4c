// Package rundir says where the daemons keep their sockets, locks and logs
// (docs/SPEC.md, "Local sockets"):
//
//	                run                          state (logs)
//	OPENPED_RUNDIR  that folder                  that folder
//	root            /run/openped                 /var/log/openped
//	other users     $XDG_RUNTIME_DIR/openped     $XDG_STATE_HOME/openped
//	                or STATE/run                 or ~/.local/state/openped
//	Windows         %LOCALAPPDATA%\openped\run   %LOCALAPPDATA%\openped
//
// A folder in which another user could plant a socket is refused: one-time
// passwords and PED commands pass through these sockets.
package rundir
