package s3publish

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultGracePeriod is how long Prune leaves alone what nothing refers to. It is more than a publisher may take from its first
// request to its last (LAYOUT.md, Deleting).
const DefaultGracePeriod = 24 * time.Hour

// NoGrace is the PruneOptions.GracePeriod of a store that nobody is publishing to: it is the caller's word for that.
const NoGrace time.Duration = -1

// PruneOptions of Prune. A snapshot of a volume's history is given up when it is past the newest Keep and older than OlderThan; with
// neither set, whole histories are kept, and only what no snapshot reaches is deleted. The current snapshot is always kept.
type PruneOptions struct {
	Keep        int           // newest snapshots to keep in each volume's history
	OlderThan   time.Duration // by the store's clock
	GracePeriod time.Duration // what was written, or current, this lately is kept; default DefaultGracePeriod
	DryRun      bool          // only report
	Progress    func(Progress)
}

// PruneReport of Prune. Deleted counts what a DryRun would have deleted.
type PruneReport struct {
	SnapshotsKept, PacksKept       int
	BytesKept                      int64
	Deleted                        []string // keys, in the order of deletion
	SnapshotsDeleted, PacksDeleted int
	BytesDeleted                   int64
	PacksWaiting                   int // nothing reaches them, but the grace period is not over
	BytesWaiting                   int64
}

// Prune deletes what no kept snapshot reaches. The kept ones are, of each volume: the current one, those that the options keep, and
// those that were current within the grace period. It is safe beside publishers and other prunes, and when it is interrupted
// nothing is broken: the next one goes on.
//
// Errors: ErrCorrupt and ErrVersion: something that it must read to know what is needed is damaged or of another program; nothing was
// deleted. ErrUnsupported: the store does not tell when objects were written. On others, what was done so far is in the report.
func (r *Remote) Prune(ctx context.Context, o PruneOptions) (PruneReport, error) {
	rep := &reporter{fn: o.Progress}
	rep.phase(PhaseRead)
	report, err := r.prune(ctx, o, rep)
	if err == nil {
		rep.phase(PhaseDone)
	}
	return report, at("prune", "", err)
}

func (r *Remote) prune(ctx context.Context, o PruneOptions, rep *reporter) (PruneReport, error) {
	var report PruneReport
	if o.Keep < 0 || o.OlderThan < 0 {
		return report, fmt.Errorf("%w: neither keep nor olderThan can be negative", ErrInvalid)
	}
	grace := o.GracePeriod
	if grace == 0 {
		grace = DefaultGracePeriod
	}
	grace = max(grace, 0)
	// The order is what makes it safe (LAYOUT.md, Deleting): first the time, then what is there, then who needs it.
	now, err := r.storeClock(ctx)
	if err != nil {
		return report, err
	}
	packs, err := r.store.List(ctx, packPrefix)
	if err != nil {
		return report, err
	}
	checks, err := r.store.List(ctx, checkPrefix)
	if err != nil {
		return report, err
	}
	c, err := r.readWholeCatalog(ctx, rep)
	if err != nil {
		return report, err
	}
	old := func(t time.Time) bool { return !t.IsZero() && !t.After(now.Add(-grace)) }
	keep := c.keep(o, now, old)

	var doomed []Listed
	needed := map[string]bool{}
	for id, s := range c.snapshots {
		if !keep[id] {
			doomed = append(doomed, Listed{Key: snapshotKey(id), Size: s.size, Modified: s.modified})
			report.SnapshotsDeleted++
			continue
		}
		report.SnapshotsKept++
		report.BytesKept += s.size
		for _, p := range s.packs {
			needed[packKey(p.id)] = true
		}
	}
	// The oldest snapshot first, and packs after all snapshots: so whatever is listed while this runs, or after it was interrupted, is
	// whole, and histories have no gaps.
	slices.SortFunc(doomed, func(a, b Listed) int { return cmp.Or(a.Modified.Compare(b.Modified), strings.Compare(a.Key, b.Key)) })
	first := len(doomed)
	for _, p := range packs {
		_, err := ParseID(strings.TrimPrefix(p.Key, packPrefix))
		switch {
		case needed[p.Key]:
			report.PacksKept++
			report.BytesKept += p.Size
		case err != nil: // not ours
		case !old(p.Modified):
			report.PacksWaiting++
			report.BytesWaiting += p.Size
		default:
			doomed = append(doomed, p)
			report.PacksDeleted++
		}
	}
	for _, l := range checks {
		if old(l.Modified) {
			doomed = append(doomed, l)
		}
	}
	if o.DryRun {
		for _, d := range doomed {
			report.Deleted = append(report.Deleted, d.Key)
			report.BytesDeleted += d.Size
		}
		return report, nil
	}
	report.SnapshotsDeleted, report.PacksDeleted = 0, 0
	err = r.deleteAll(ctx, doomed, first, rep, &report)
	return report, err
}

// keep tells which snapshots stay.
func (c *catalog) keep(o PruneOptions, now time.Time, old func(time.Time) bool) map[ID]bool {
	keep := map[ID]bool{}
	for id, s := range c.snapshots {
		if len(s.volumes) == 0 && !old(s.modified) {
			keep[id] = true // its publisher may be about to move a head to it
		}
	}
	for volume, id := range c.heads {
		var after time.Time // when the snapshot stopped being current, at the earliest
		for n, s := range c.history(volume) {
			var expired bool
			switch past, late := n >= o.Keep, o.OlderThan == 0 || s.modified.Before(now.Add(-o.OlderThan)); {
			case n == 0 || o.Keep == 0 && o.OlderThan == 0:
			case o.Keep == 0:
				expired = late
			default:
				expired = past && late
			}
			if expired && old(after) {
				break // and so is everything before it, or there would be a gap
			}
			keep[id] = true
			id, after = s.parent, s.modified
		}
	}
	return keep
}

func (r *Remote) deleteAll(ctx context.Context, doomed []Listed, snapshots int, rep *reporter, report *PruneReport) error {
	var total int64
	for _, d := range doomed {
		total += d.Size
	}
	rep.start(PhaseDelete, total, len(doomed))
	var mu sync.Mutex // guards report
	one := func(ctx context.Context, d Listed) error {
		if err := r.store.Delete(ctx, d.Key); err != nil {
			return err
		}
		rep.done(d.Size, 1)
		mu.Lock()
		defer mu.Unlock()
		report.Deleted = append(report.Deleted, d.Key)
		report.BytesDeleted += d.Size
		switch {
		case strings.HasPrefix(d.Key, snapshotPrefix):
			report.SnapshotsDeleted++
		case strings.HasPrefix(d.Key, packPrefix):
			report.PacksDeleted++
		}
		return nil
	}
	for _, d := range doomed[:snapshots] {
		if err := one(ctx, d); err != nil {
			return err
		}
	}
	g := newGroup(ctx, r.width)
	for _, d := range doomed[snapshots:] {
		g.run(func(ctx context.Context) error { return one(ctx, d) })
	}
	return g.wait("prune", "")
}

// storeClock asks the store for its time, by an object: so it is the clock that dates the other objects.
func (r *Remote) storeClock(ctx context.Context) (time.Time, error) {
	key := checkPrefix + rand.Text()
	if _, err := r.store.Put(ctx, key, bytes.Repeat([]byte("c"), 1), PutOptions{}); err != nil {
		return time.Time{}, err
	}
	listed, err := r.store.List(ctx, key)
	if e := r.store.Delete(ctx, key); err == nil {
		err = e
	}
	switch {
	case err != nil:
		return time.Time{}, err
	case len(listed) != 1 || listed[0].Modified.IsZero():
		return time.Time{}, &Error{Op: "list", Key: key, Err: fmt.Errorf("%w: it does not tell when objects were written", ErrUnsupported)}
	}
	return listed[0].Modified, nil
}
