// Package cli is pedserver's command line (docs/cli/pedserver.md): it parses
// the vendor's options, starts the relay in the background or runs it, and
// talks to the running one.
package cli
