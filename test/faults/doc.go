// Package faults plays to real processes what happens to machines and networks:
// disks that are full, processes that are stopped, networks that swallow, clocks
// that jump, machines that crash. After each:
//
//   - bounded: nobody waits longer than the bound that the test names;
//   - truthful: both sides say what is so, and errors name the cause;
//   - recovered: when the fault is over everything goes on, and nothing had to be
//     restarted;
//   - nothing lost: the custodians' keys log in, no attempt is gone, the audit
//     log is whole.
//
// Bounds are those of the specification with room for a busy machine. It runs
// with `make faults`.
package faults
