package s3publish

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Retry says how often and when a request is tried again after ErrUnreachable or ErrClock. Zero fields mean the
// defaults.
type Retry struct {
	Attempts int           // requests in all; default 5, 1 = no retry
	Base     time.Duration // mean wait before the second; doubles; default 200 ms
	Max      time.Duration // longest mean wait; default 10 s
	Timeout  time.Duration // of one attempt, and what its content takes at 32 KiB/s besides; default 1 min

	Sleep func(ctx context.Context, d time.Duration) error // default: a timer
	Rand  func() float64                                   // in [0, 1); default: math/rand/v2
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 5
	}
	if r.Base <= 0 {
		r.Base = 200 * time.Millisecond
	}
	if r.Max <= 0 {
		r.Max = 10 * time.Second
	}
	if r.Timeout <= 0 {
		r.Timeout = time.Minute
	}
	if r.Sleep == nil {
		r.Sleep = sleep
	}
	if r.Rand == nil {
		r.Rand = rand.Float64
	}
	return r
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// slowest is the rate in bytes a second at which a transfer is still waited for.
const slowest = 32 << 10

// maxRetryAfter bounds what a store can ask for: who calls would rather know.
const maxRetryAfter = time.Minute

func temporary(err error) bool {
	return errors.Is(err, ErrUnreachable) || errors.Is(err, ErrClock)
}

// wait is the pause after the given number of failed attempts: between half and one and a half of the
// mean, so that clients that failed together do not come back together.
func (r Retry) wait(failed int) time.Duration {
	mean := r.Max
	if shift := failed - 1; shift < 30 && r.Base<<shift < r.Max {
		mean = r.Base << shift
	}
	return time.Duration((0.5 + r.Rand()) * float64(mean))
}

// pause is the wait after an error: at least as long as the store asked for.
func (r Retry) pause(failed int, err error) time.Duration {
	var e *Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return max(r.wait(failed), min(e.RetryAfter, maxRetryAfter))
	}
	return r.wait(failed)
}

// do tries f, which moves size bytes.
func (r Retry) do(ctx context.Context, op, key string, size int64, f func(context.Context) error) error {
	timeout := r.Timeout + time.Duration(max(size, 0))*time.Second/slowest
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return aborted(ctx, op, key)
		}
		one, cancel := context.WithTimeout(ctx, timeout)
		err := f(one)
		late := one.Err() != nil
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return aborted(ctx, op, key)
		case late:
			err = &Error{Op: op, Key: key, Err: ErrUnreachable, Hint: "The store did not answer in time."}
		}
		if !temporary(err) || n >= r.Attempts {
			return at(op, key, err)
		}
		if r.Sleep(ctx, r.pause(n, err)) != nil {
			return aborted(ctx, op, key)
		}
	}
}

// retrying is an ObjectStore that tries again. After a retried Put, ErrPrecondition may mean that the first try
// did arrive and only its answer was lost: callers look at what is there.
type retrying struct {
	s ObjectStore
	r Retry
}

var _ ObjectStore = retrying{}

func (t retrying) Get(ctx context.Context, key string, off, n int64) (o Object, err error) {
	err = t.r.do(ctx, "get", key, n, func(ctx context.Context) (err error) {
		o, err = t.s.Get(ctx, key, off, n)
		if err == nil && n >= 0 && int64(len(o.Data)) > n {
			err = &Error{Op: "get", Key: key, Err: corrupt("the store sent %d bytes for %d", len(o.Data), n)}
		}
		return err
	})
	return o, err
}

func (t retrying) Put(ctx context.Context, key string, data []byte, o PutOptions) (etag string, err error) {
	err = t.r.do(ctx, "put", key, int64(len(data)), func(ctx context.Context) (err error) {
		etag, err = t.s.Put(ctx, key, data, o)
		return err
	})
	return etag, err
}

func (t retrying) List(ctx context.Context, prefix string) (all []Listed, err error) {
	err = t.r.do(ctx, "list", prefix, 0, func(ctx context.Context) (err error) {
		all, err = t.s.List(ctx, prefix)
		return err
	})
	return all, err
}

func (t retrying) Delete(ctx context.Context, key string) error {
	return t.r.do(ctx, "delete", key, 0, func(ctx context.Context) error {
		return t.s.Delete(ctx, key)
	})
}
