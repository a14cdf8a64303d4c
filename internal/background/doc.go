// Package background starts a daemon detached from its terminal (docs/cli,
// "-mode start"). The program runs itself again; the new process tells over a
// pipe, its standard output, that it serves, or why it does not. So the command
// that started it never claims a success that is none.
package background
