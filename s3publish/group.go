package s3publish

import (
	"context"
	"sync"
)

// group runs functions, at most width at a time. The first error cancels the context of the others.
type group struct {
	parent, ctx context.Context
	cancel      context.CancelFunc
	slots       chan struct{}
	wg          sync.WaitGroup
	mu          sync.Mutex
	err         error
}

func newGroup(ctx context.Context, width int) *group {
	g := &group{parent: ctx, slots: make(chan struct{}, width)}
	g.ctx, g.cancel = context.WithCancel(ctx)
	return g
}

// run waits for a free slot. It reports false, and does not run f, when the group has failed or was cancelled.
func (g *group) run(f func(context.Context) error) bool {
	select {
	case g.slots <- struct{}{}:
	case <-g.ctx.Done():
		return false
	}
	if g.ctx.Err() != nil {
		<-g.slots
		return false
	}
	g.wg.Go(func() {
		defer func() { <-g.slots }()
		if err := f(g.ctx); err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.err == nil {
				g.err = err
				g.cancel()
			}
		}
	})
	return true
}

// wait returns the first error when all have ended.
func (g *group) wait(op, key string) error {
	g.wg.Wait()
	defer g.cancel()
	if g.parent.Err() != nil {
		return aborted(g.parent, op, key)
	}
	return g.err
}
