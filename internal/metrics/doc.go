// Package metrics tells a daemon's numbers to Prometheus (docs/SPEC.md,
// "Metrics"): what its status has, what it is built from, and how its process
// does. They are read when somebody asks, from the administration socket or from
// a port that this host's programs can use.
package metrics
