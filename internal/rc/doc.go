// Package rc names the return codes of both daemons' commands (docs/cli,
// "Return codes"). Two are the vendor's, with his numbers; the others are our
// own and begin at 0xc0001001.
package rc
