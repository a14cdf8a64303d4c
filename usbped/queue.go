package usbped

import (
	"context"
	"sync"
)

// queue holds what came in until its owner takes it.
type queue[T any] struct {
	mu    sync.Mutex
	items []T
	taken int           // of items
	some  chan struct{} // has one while there may be items
}

func newQueue[T any]() *queue[T] { return &queue[T]{some: make(chan struct{}, 1)} }

// put adds an item, and returns how many there are.
func (q *queue[T]) put(m T) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == cap(q.items) && q.taken > 0 {
		n := copy(q.items, q.items[q.taken:])
		clear(q.items[n:])
		q.items, q.taken = q.items[:n], 0
	}
	q.items = append(q.items, m)
	wake(q.some)
	return len(q.items) - q.taken
}

// wake puts one into a channel that has room for one, if none is in it.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// drop takes out the items that are of no more use.
func (q *queue[T]) drop(useless func(T) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.items[:0]
	for _, m := range q.items[q.taken:] {
		if !useless(m) {
			kept = append(kept, m)
		}
	}
	clear(q.items[len(kept):])
	q.items, q.taken = kept, 0
}

// get takes the first item, if there is one.
func (q *queue[T]) get() (m T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return m, false
	}
	var zero T
	m, q.items[q.taken] = q.items[q.taken], zero
	if q.taken++; q.taken == len(q.items) {
		q.items, q.taken = q.items[:0], 0
	} else {
		wake(q.some)
	}
	return m, true
}

// next waits for the next item; what came before the end of c comes first.
func (q *queue[T]) next(ctx context.Context, c *conn) (T, error) {
	for {
		if m, ok := q.get(); ok {
			return m, nil
		}
		select {
		case <-q.some:
		case <-ctx.Done():
			var zero T
			return zero, ctx.Err()
		case <-c.dead:
			m, ok := q.get()
			if ok {
				return m, nil
			}
			return m, c.err()
		}
	}
}
