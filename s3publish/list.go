package s3publish

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Published is one snapshot in a store.
type Published struct {
	Info
	Modified time.Time // when it was written, by the store's clock
	Volumes  []string  // whose history holds it, sorted; none: its publish did not move a head, or what led to it was pruned
	Current  []string  // the volumes that are at it now, sorted
}

// ListOptions of List.
type ListOptions struct {
	Volume   string // only the history of this one; "" for everything
	Progress func(Progress)
}

// Volumes lists the names under which something is published, sorted.
func (r *Remote) Volumes(ctx context.Context) ([]string, error) {
	all, err := r.store.List(ctx, headPrefix)
	if err != nil {
		return nil, at("list", headPrefix, err)
	}
	var names []string
	for _, o := range all {
		if name := strings.TrimPrefix(o.Key, headPrefix); ValidateVolume(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// List describes the snapshots that are in the store, newest first. It reads every snapshot object. ErrNotFound: the volume asked for
// was never published.
func (r *Remote) List(ctx context.Context, o ListOptions) ([]Published, error) {
	if o.Volume != "" {
		if err := ValidateVolume(o.Volume); err != nil {
			return nil, at("list", "", err)
		}
	}
	rep := &reporter{fn: o.Progress}
	rep.phase(PhaseRead)
	c, err := r.readWholeCatalog(ctx, rep)
	if err != nil {
		return nil, at("list", "", err)
	}
	if o.Volume != "" && c.heads[o.Volume].IsZero() {
		return nil, &Error{Op: "list", Key: headKey(o.Volume), Err: ErrNotFound, Hint: "Nothing was published under this name yet."}
	}
	var out []Published
	for id, s := range c.snapshots {
		p := Published{Info: s.info(id), Modified: s.modified, Volumes: s.volumes}
		for _, v := range s.volumes {
			if c.heads[v] == id {
				p.Current = append(p.Current, v)
			}
		}
		if o.Volume == "" || slices.Contains(s.volumes, o.Volume) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Published) int {
		return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), slices.Compare(a.ID[:], b.ID[:]))
	})
	rep.phase(PhaseDone)
	return out, nil
}

// catalog is every head and snapshot of a store.
type catalog struct {
	heads     map[string]ID
	snapshots map[ID]*cataloged
	damages   []Damage // heads and snapshots that could not be read
}

type cataloged struct {
	*snapshotObject
	modified time.Time // zero when it came after the listing
	size     int64
	volumes  []string
}

// readWholeCatalog fails where anything is damaged.
func (r *Remote) readWholeCatalog(ctx context.Context, rep *reporter) (*catalog, error) {
	c, err := r.readCatalog(ctx, rep)
	if err == nil && len(c.damages) > 0 {
		err = c.damages[0].Err
	}
	return c, err
}

// readCatalog lists the snapshots first and reads the heads afterwards: so a snapshot that was listed is either
// reached from a head as it is read, or was not current at that moment.
func (r *Remote) readCatalog(ctx context.Context, rep *reporter) (*catalog, error) {
	listed, err := r.store.List(ctx, snapshotPrefix)
	if err != nil {
		return nil, err
	}
	c := &catalog{heads: map[string]ID{}, snapshots: map[ID]*cataloged{}}
	if err := r.readHeads(ctx, c); err != nil {
		return nil, err
	}
	var bytes int64
	for _, o := range listed {
		if id, err := ParseID(strings.TrimPrefix(o.Key, snapshotPrefix)); err == nil {
			c.snapshots[id] = &cataloged{modified: o.Modified, size: o.Size}
			bytes += o.Size
		}
	}
	for _, id := range c.heads {
		if c.snapshots[id] == nil {
			c.snapshots[id] = &cataloged{}
		}
	}
	rep.start(PhaseRead, bytes, len(c.snapshots))
	if err := r.readSnapshots(ctx, c, rep); err != nil {
		return nil, err
	}
	for volume := range c.heads {
		for _, s := range c.history(volume) {
			s.volumes = append(s.volumes, volume)
		}
	}
	for _, s := range c.snapshots {
		slices.Sort(s.volumes)
	}
	return c, nil
}

func (r *Remote) readHeads(ctx context.Context, c *catalog) error {
	names, err := r.Volumes(ctx)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	g := newGroup(ctx, r.width)
	for _, name := range names {
		g.run(func(ctx context.Context) error {
			o, err := r.store.Get(ctx, headKey(name), 0, int64(headSize)+1)
			if errors.Is(err, ErrNotFound) {
				return nil // removed since it was listed
			}
			var id ID
			if err == nil {
				id, err = decodeHead(o.Data)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				c.heads[name] = id
			}
			return c.note(headKey(name), err)
		})
	}
	return g.wait("list", headPrefix)
}

// note keeps what is wrong with an object, and returns what is wrong with the store.
func (c *catalog) note(key string, err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion) || errors.Is(err, ErrRange) {
		c.damages = append(c.damages, Damage{key, at("get", key, err)})
		return nil
	}
	return err
}

func (r *Remote) readSnapshots(ctx context.Context, c *catalog, rep *reporter) error {
	current := map[ID]bool{}
	for _, id := range c.heads {
		current[id] = true
	}
	var mu sync.Mutex
	g := newGroup(ctx, r.width)
	for id, s := range c.snapshots {
		g.run(func(ctx context.Context) error {
			obj, err := r.readSnapshot(ctx, id)
			if errors.Is(err, ErrNotFound) {
				if !current[id] {
					return nil // pruned since it was listed
				}
				err = &Error{Op: "get", Key: snapshotKey(id), Err: corrupt("a head names this snapshot, but: %v", err)}
			}
			rep.done(s.size, 1)
			mu.Lock()
			defer mu.Unlock()
			s.snapshotObject = obj
			return c.note(snapshotKey(id), err)
		})
	}
	err := g.wait("list", snapshotPrefix)
	maps.DeleteFunc(c.snapshots, func(_ ID, s *cataloged) bool { return s.snapshotObject == nil })
	return err
}

// history is a volume's snapshots, the current one first, as far back as they are there. Ids are hashes of what holds
// the parent's id, so there is no circle.
func (c *catalog) history(volume string) (all []*cataloged) {
	for s := c.snapshots[c.heads[volume]]; s != nil; s = c.snapshots[s.parent] {
		all = append(all, s)
	}
	return all
}
