// Package cli is softped's command line (docs/cli/softped.md): it puts state,
// keys, sockets and a face together around one PED.
package cli
