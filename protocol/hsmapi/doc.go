// Package hsmapi is what hsmcm and other local programs speak with PEDclient
// over its HSM socket (docs/SPEC.md, "The HSM socket"): length-prefixed frames
// of TLV fields, simple enough for a C program of 150 lines.
//
// The caller sends a Request with an id of its choice. The server answers with
// any number of Progress and Prompt messages and one Result, all with that id.
// The caller replies to a Prompt with an Answer, and may send Cancel at any
// time: the Result still comes. What a request obtained (a login, say) belongs
// to the connection and ends with it.
//
// The package is a codec and a conversation over an io.ReadWriter; it opens no
// socket and starts no goroutine.
package hsmapi
