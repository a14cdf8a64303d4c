// Package scale tests what shows only with many HSMs, or after many days: one
// pedclient that logs 200 slots in at once, and a connection that outlives its
// sessions.
package scale
