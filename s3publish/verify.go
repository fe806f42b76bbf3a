package s3publish

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-fs/holdfast/memfs"
)

// VerifyOptions of Verify.
type VerifyOptions struct {
	Progress func(Progress)
}

// Damage is one thing that is wrong in a store.
type Damage struct {
	Key string // the object
	Err error  // an *Error that wraps ErrCorrupt, ErrVersion or ErrKey
}

// VerifyReport of Verify: what was read, and what is wrong with it.
type VerifyReport struct {
	Heads, Snapshots, Packs int
	Bytes                   int64
	Unneeded                int      // packs that no snapshot names; Prune deletes them
	Abandoned               int      // snapshots in no history that lack packs: of publishes that ended in a conflict. Prune deletes them
	Locked                  int      // packs and snapshots that are encrypted with another key: of these only the outer hashes were checked
	Damages                 []Damage // sorted by key; empty when all is well
}

// Verify reads every head, snapshot and pack of a store, whoever published them, and checks every hash, every structure, and that
// each snapshot finds all its blobs. It goes on after damage and reports all of it; its error is that it could not go on.
// What is encrypted with another key than ours is not damage. It needs about 150 bytes of memory for each blob in the store. An object that a prune deletes meanwhile is not damage.
func (r *Remote) Verify(ctx context.Context, o VerifyOptions) (VerifyReport, error) {
	rep := &reporter{fn: o.Progress}
	rep.phase(PhaseRead)
	report, err := r.verify(ctx, rep)
	if err == nil {
		rep.phase(PhaseDone)
	}
	return report, at("verify", "", err)
}

// verifier holds what the packs contain.
type verifier struct {
	r      *Remote
	mu     sync.Mutex
	packs  map[ID]*checkedPack
	blobs  map[memfs.Hash]*verifiedBlob
	report *VerifyReport
}

type checkedPack struct {
	entry  packEntry
	tail   *packTail // nil when it could not be read
	gone   bool      // deleted since it was listed
	broken bool
	locked bool
	needed bool
}

// verifiedBlob is in some packs and, if it is a node, names others.
type verifiedBlob struct {
	packs []*checkedPack
	refs  []memfs.Hash
}

func (r *Remote) verify(ctx context.Context, rep *reporter) (VerifyReport, error) {
	var report VerifyReport
	c, err := r.readCatalog(ctx, rep)
	if err != nil {
		return report, err
	}
	// After the snapshots: so that no pack that they name is missing from the list.
	listed, err := r.store.List(ctx, packPrefix)
	if err != nil {
		return report, err
	}
	report = VerifyReport{Heads: len(c.heads), Snapshots: len(c.snapshots), Damages: c.damages}
	v := &verifier{r: r, packs: map[ID]*checkedPack{}, blobs: map[memfs.Hash]*verifiedBlob{}, report: &report}
	report.Bytes = rep.p.BytesDone
	var total int64
	var count int
	for _, o := range listed {
		if _, err := ParseID(strings.TrimPrefix(o.Key, packPrefix)); err == nil {
			total += o.Size
			count++
		}
	}
	rep.start(PhaseVerify, total, count)
	g := newGroup(ctx, r.width)
	for _, o := range listed {
		id, err := ParseID(strings.TrimPrefix(o.Key, packPrefix))
		if err != nil {
			continue
		}
		p := &checkedPack{}
		v.packs[id] = p
		ok := g.run(func(ctx context.Context) error {
			err := v.pack(ctx, id, o.Size, p)
			rep.done(o.Size, 1)
			return err
		})
		if !ok {
			break
		}
	}
	if err := g.wait("verify", ""); err != nil {
		return report, err
	}
	if err := v.unfold(ctx, c.snapshots); err != nil {
		return report, err
	}
	for id, s := range c.snapshots {
		if s.locked != nil {
			report.Locked++
		}
		if ctx.Err() != nil {
			return report, aborted(ctx, "verify", snapshotKey(id))
		}
		err := v.snapshot(s)
		switch {
		case err == nil || v.deleted(ctx, id):
		case len(s.volumes) == 0:
			report.Abandoned++
		default:
			v.damage(snapshotKey(id), err)
		}
	}
	for _, p := range v.packs {
		if !p.gone {
			report.Packs++
		}
		if !p.needed && !p.gone {
			report.Unneeded++
		}
		if p.locked {
			report.Locked++
		}
	}
	slices.SortFunc(report.Damages, func(a, b Damage) int { return strings.Compare(a.Key, b.Key) })
	return report, nil
}

func (v *verifier) damage(key string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Damages = append(v.report.Damages, Damage{key, at("verify", key, err)})
}

// deleted tells if a snapshot that lost its packs is gone by now.
func (v *verifier) deleted(ctx context.Context, id ID) bool {
	_, err := v.r.store.Get(ctx, snapshotKey(id), 0, 1)
	return errors.Is(err, ErrNotFound)
}

func (v *verifier) pack(ctx context.Context, id ID, size int64, p *checkedPack) error {
	key := packKey(id)
	o, err := v.r.store.Get(ctx, key, 0, maxPack+1)
	switch {
	case errors.Is(err, ErrNotFound):
		p.gone = true
		return nil
	case errors.Is(err, ErrRange):
		err = corrupt("empty")
	}
	v.mu.Lock()
	v.report.Bytes += int64(len(o.Data))
	v.mu.Unlock()
	var e packEntry
	if err == nil {
		e, err = v.r.coder.entryOf(ctx, id, o.Data)
	}
	if err == nil {
		p.tail, err = v.r.coder.openPack(ctx, o.Data, e, func(h memfs.Hash, b []byte) error { return v.blob(p, h, b) })
	}
	if errors.Is(err, ErrKey) {
		p.locked = true
		sum, e := sumOne(ctx, v.r.coder.hasher, o.Data)
		if err = e; err == nil && sum != id {
			err = corrupt("its hash is not its name")
		}
	}
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion) {
		p.broken = true
		v.damage(key, err)
		return nil
	}
	if err != nil {
		return err
	}
	p.entry = e
	return nil
}

// unfold checks what is folded in the packs, whether a snapshot names them or not: what a pack's references lead to is known from any list that begins
// with its base. Where there is none any more, or a pack of it could not be read, that is left out; if a snapshot needs it, it is reported there.
func (v *verifier) unfold(ctx context.Context, snapshots map[ID]*cataloged) error {
	waiting := map[base][]*checkedPack{}
	for _, p := range v.packs {
		if p.tail != nil && len(p.tail.waiting) > 0 {
			waiting[p.tail.base] = append(waiting[p.tail.base], p)
		}
	}
	of := func(b base, list []packEntry) error {
		packs := waiting[b]
		delete(waiting, b)
		if len(packs) == 0 {
			return nil
		}
		to := indexes{nil}
		for _, e := range list {
			p := v.packs[e.id]
			if p == nil || p.tail == nil {
				return nil
			}
			to = append(to, p.tail.packIndex.blobs)
		}
		for _, p := range packs {
			to[0] = p.tail.packIndex.blobs
			err := v.r.coder.unfold(ctx, p.tail.waiting, to, func(h memfs.Hash, b []byte) error { return v.blob(p, h, b) })
			if p.tail.waiting = nil; errors.Is(err, ErrCorrupt) {
				p.broken = true
				v.damage(packKey(p.entry.id), err)
			} else if err != nil {
				return err
			}
		}
		return nil
	}
	if err := of(base{}, nil); err != nil {
		return err
	}
	for _, s := range snapshots {
		for n, sum := range listSums(s.packs) {
			if err := of(base{uint32(n), sum}, s.packs[:n]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verifier) blob(p *checkedPack, h memfs.Hash, b []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	known := v.blobs[h]
	if known == nil {
		known = &verifiedBlob{}
		known.refs, _ = memfs.PublishedRefs(b)
		v.blobs[h] = known
	}
	known.packs = append(known.packs, p)
	return nil
}

// snapshot checks that every blob of a tree is in one of the snapshot's packs.
func (v *verifier) snapshot(s *cataloged) error {
	listed := map[*checkedPack]bool{}
	var missing error
	locked := s.locked != nil
	sums := listSums(s.packs)
	for i, e := range s.packs {
		p := v.packs[e.id]
		switch {
		case p == nil || p.gone:
			return corrupt("pack %s is missing", e.id)
		case p.broken:
			missing = corrupt("pack %s is damaged", e.id)
		case p.locked:
			locked = true
		case p.entry != e:
			return corrupt("pack %s is not as the snapshot says", e.id)
		default:
			if err := p.tail.base.check(sums, i); err != nil {
				missing = corrupt("pack %s: %v", e.id, err)
			}
		}
		p.needed = true
		listed[p] = true
	}
	if missing != nil || locked {
		return missing
	}
	seen := map[memfs.Hash]bool{s.root: true}
	for todo := []memfs.Hash{s.root}; len(todo) > 0; {
		h := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		b := v.blobs[h]
		if b == nil || !slices.ContainsFunc(b.packs, func(p *checkedPack) bool { return listed[p] }) {
			return corrupt("blob %s is in none of its packs", hashString(h))
		}
		for _, ref := range b.refs {
			if !seen[ref] {
				seen[ref] = true
				todo = append(todo, ref)
			}
		}
	}
	return nil
}
