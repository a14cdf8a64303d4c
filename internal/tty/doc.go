// Package tty puts a terminal into raw mode, for a program that edits lines or
// draws with ANSI sequences, and back again.
package tty
