package main

import (
	"slices"
	"time"
)

// A side is one contestant: it does its work once.
type side struct {
	name string
	run  func() error
}

// plan bounds a measurement: at least min rounds, then more until the budget is
// spent, and never more than max.
type plan struct {
	min, max int
	budget   time.Duration
}

// interleave times all sides in each round and returns, for each round, how
// long each side took. Rounds alternate between forward and backward order: a
// machine that gets slower or faster, or garbage that one side leaves to the
// next, then does not favour a side. The first round warms up and is dropped.
// now is time.Now.
func interleave(p plan, now func() time.Time, sides ...side) ([][]time.Duration, error) {
	var rounds [][]time.Duration
	start := now()
	for i := 0; len(rounds) < p.max && (len(rounds) < p.min || now().Sub(start) < p.budget); i++ {
		took := make([]time.Duration, len(sides))
		for j := range sides {
			if i%2 == 1 {
				j = len(sides) - 1 - j
			}
			t := now()
			if err := sides[j].run(); err != nil {
				return nil, &brokenError{sides[j].name, err}
			}
			took[j] = now().Sub(t)
		}
		if i > 0 {
			rounds = append(rounds, took)
		}
	}
	return rounds, nil
}

// brokenError says which side does not work.
type brokenError struct {
	side string
	err  error
}

func (e *brokenError) Error() string { return e.side + ": " + e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// ratio is the median over the rounds of side a's time divided by side b's.
func ratio(rounds [][]time.Duration, a, b int) float64 {
	r := make([]float64, len(rounds))
	for i, took := range rounds {
		r[i] = float64(took[a]) / float64(took[b])
	}
	return median(r)
}

// typical is the median of side a's times, in seconds.
func typical(rounds [][]time.Duration, a int) float64 {
	t := make([]float64, len(rounds))
	for i, took := range rounds {
		t[i] = took[a].Seconds()
	}
	return median(t)
}

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	switch n := len(v); {
	case n == 0:
		return 0
	case n%2 == 1:
		return v[n/2]
	default:
		return (v[n/2-1] + v[n/2]) / 2
	}
}
