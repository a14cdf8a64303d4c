// Package setting holds a program's flags in one table: what the command line
// takes, what the configuration file may say, what a reload changes, what the
// help and config -show list (docs/cli).
//
// A value comes from the command line, else from the file, else it is the
// default, and knows which.
package setting
