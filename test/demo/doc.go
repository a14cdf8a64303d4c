// Command demo plays the whole system once, with real processes in a temporary
// folder: an HSM is paired with a remote PED, initialised by three custodians
// and logged in to by two of them; then the attacks a buyer would ask about.
//
// Every step says what it expects; the exit status is 0 only if all of it
// happened. With -interactive a person holds the PED.
package main
