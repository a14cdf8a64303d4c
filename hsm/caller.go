package hsm

import "context"

type callerKey struct{}

// WithCaller says who asks for what is done under ctx, as in "uid 1000 pid 4711":
// audit records and the error for a busy slot name them.
func WithCaller(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, callerKey{}, who)
}

// CallerOf returns who asks, or "".
func CallerOf(ctx context.Context) string {
	who, _ := ctx.Value(callerKey{}).(string)
	return who
}

// ByCaller returns " by uid 1000 pid 4711", or "" for an unknown caller.
func ByCaller(who string) string {
	if who == "" {
		return ""
	}
	return " by " + who
}
