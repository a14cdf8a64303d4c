package main

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{
		{nil, 0},
		{[]float64{7}, 7},
		{[]float64{4, 1}, 2.5},
		{[]float64{9, 1, 5}, 5},
		{[]float64{2, 1000, 1, 3}, 2.5},
		{[]float64{1, 1, 1, 1, math.Inf(1)}, 1},
	} {
		in := slices.Clone(c.in)
		if got := median(in); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.in, got, c.want)
		}
		if !slices.Equal(in, c.in) {
			t.Errorf("median of %v has sorted the caller's values", c.in)
		}
	}
}

// clock moves only when a side runs.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func (c *clock) side(name string, log *[]string, takes func(call int) time.Duration) side {
	calls := 0
	return side{name, func() error {
		*log = append(*log, name)
		c.t = c.t.Add(takes(calls))
		calls++
		return nil
	}}
}

func constant(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

func TestInterleaveOrder(t *testing.T) {
	var c clock
	var log []string
	rounds, err := interleave(plan{min: 3, max: 3}, c.now,
		c.side("a", &log, constant(2*time.Second)), c.side("b", &log, constant(time.Second)), c.side("c", &log, constant(4*time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(log, ""); got != "abc"+"cba"+"abc"+"cba" { // the first warms up
		t.Errorf("order %s", got)
	}
	for i, r := range rounds {
		if !slices.Equal(r, []time.Duration{2 * time.Second, time.Second, 4 * time.Second}) {
			t.Errorf("round %d: %v", i, r)
		}
	}
	if len(rounds) != 3 || ratio(rounds, 0, 1) != 2 || ratio(rounds, 1, 2) != 0.25 || typical(rounds, 2) != 4 {
		t.Errorf("%d rounds, ratios %v and %v, c takes %v s", len(rounds), ratio(rounds, 0, 1), ratio(rounds, 1, 2), typical(rounds, 2))
	}
}

// A machine that gets slower all the time, and one disturbance, leave the ratio
// alone.
func TestRatioOfADriftingMachine(t *testing.T) {
	var c clock
	var log []string
	drift := func(base time.Duration) func(int) time.Duration {
		return func(call int) time.Duration {
			d := base * time.Duration(100+10*call)
			if call == 5 && base == 3*time.Millisecond {
				d *= 1000
			}
			return d
		}
	}
	rounds, err := interleave(plan{min: 31, max: 31}, c.now, c.side("a", &log, drift(3*time.Millisecond)), c.side("b", &log, drift(2*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	if got := ratio(rounds, 0, 1); got != 1.5 {
		t.Errorf("ratio %v", got)
	}
}

func TestInterleaveBounds(t *testing.T) {
	for _, c := range []struct {
		name string
		plan plan
		want int
	}{
		{"at least min, however long it takes", plan{min: 31, max: 99, budget: time.Second}, 31},
		{"until the budget is spent", plan{min: 1, max: 99, budget: 10 * time.Second}, 9}, // the warm-up is paid from it
		{"never more than max", plan{min: 1, max: 5, budget: time.Hour}, 5},
	} {
		var k clock
		var log []string
		rounds, err := interleave(c.plan, k.now, k.side("a", &log, constant(time.Second)))
		if err != nil || len(rounds) != c.want {
			t.Errorf("%s: %d rounds, %v; want %d", c.name, len(rounds), err, c.want)
		}
	}
}

func TestInterleaveStops(t *testing.T) {
	broken := errors.New("broken")
	calls := 0
	_, err := interleave(plan{min: 9, max: 9}, time.Now, side{"fine", func() error { return nil }}, side{"other", func() error {
		if calls++; calls == 3 {
			return broken
		}
		return nil
	}})
	if !errors.Is(err, broken) || err.Error() != "other: broken" || calls != 3 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
