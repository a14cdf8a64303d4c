// Package service makes a program a service of its platform (docs/cli,
// "-service"): systemd on Linux, the service manager of Windows, launchd on
// macOS. It writes the service's definition, asks the manager to start and stop
// it, tells how it stands, and is what the running service tells its manager
// (Self).
//
// The definitions are ours, to the letter: what packages ship and what Install
// writes come out of the same text (Spec.Unit, Spec.Plist).
//
// A service says itself why it does not start. On Linux that is its status text,
// which systemctl shows too; elsewhere it is a file in its run folder.
package service
