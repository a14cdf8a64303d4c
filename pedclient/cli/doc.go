// Package cli is pedclient's command line (docs/cli/pedclient.md): it parses
// the vendor's options, starts the daemon in the background or runs it, talks to
// the running one, and makes virtual HSMs.
package cli
