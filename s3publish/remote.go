package s3publish

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/holdfast-fs/holdfast/memfs"
)

// RemoteOptions of NewRemote. The zero value is good.
type RemoteOptions struct {
	Retry       Retry
	Hasher      Hasher // default GoHasher
	Codec       Codec  // default GoCodec; under GOOS=js none: then nothing is compressed, and what is cannot be read
	Cipher      Cipher // default GoCipher; under GOOS=js none: then a Key cannot be used
	Concurrency int    // packs sent or fetched at a time; default 4

	// Key encrypts what is published, and opens what is pulled. A Remote with a key neither reads nor builds on what is not
	// encrypted with it, and one without neither on what is.
	Key *Key
}

// Remote is an object store together with what was learnt about it. Keep one per store for as long as
// the volume is open: it spares a publish all reading. Its methods may be called from several goroutines;
// publishes and pulls wait for each other.
type Remote struct {
	store retrying
	coder coder
	width int

	busy  chan struct{} // holds one token while a publish or a pull runs; guards all below
	heads map[string]*headState
	packs map[ID]*knownPack
	blobs map[memfs.Hash]holder
	more  map[memfs.Hash][]holder // of blobs that are in several packs: the others
	clock storeTime

	staged *staged // of the last pull, if it failed

	// settled: the last publish of this Remote succeeded. Before the first, or after one that failed, packs that were sent may lie
	// in the store unused.
	settled bool
}

// knownPack is a pack whose index was read or made here.
type knownPack struct {
	id    ID
	blobs []blobEntry
}

// holder is where a blob is known to be: the number that it has in a pack.
type holder struct {
	pack *knownPack
	blob uint32
}

// headState is what is known of a volume's head.
type headState struct {
	read     bool // etag, id and snap are what the store has, as far as we know
	etag     string
	id       ID // zero: there is no head
	snap     *snapshotObject
	attempts map[ID]bool // snapshots that we tried to make current, with an unknown outcome
}

// NewRemote does no request.
func NewRemote(store ObjectStore, o RemoteOptions) *Remote {
	r := &Remote{
		store: retrying{store, o.Retry.withDefaults()},
		coder: coder{hasher: o.Hasher, codec: o.Codec, cipher: o.Cipher},
		width: o.Concurrency,
		busy:  make(chan struct{}, 1),
		heads: map[string]*headState{},
		packs: map[ID]*knownPack{},
		blobs: map[memfs.Hash]holder{},
		more:  map[memfs.Hash][]holder{},
	}
	if o.Key != nil {
		key := *o.Key
		r.coder.key = &key
	}
	if r.coder.hasher == nil {
		r.coder.hasher = GoHasher{}
	}
	if r.coder.codec == nil {
		r.coder.codec = defaultCodec
	}
	if r.coder.cipher == nil {
		r.coder.cipher = defaultCipher
	}
	if r.width <= 0 {
		r.width = 4
	}
	return r
}

func (r *Remote) lock(ctx context.Context, op string) error {
	select {
	case r.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return aborted(ctx, op, "")
	}
}

func (r *Remote) unlock() { <-r.busy }

// Head describes the current snapshot of a volume, as the store has it now. ErrNotFound: never published.
func (r *Remote) Head(ctx context.Context, volume string) (Info, error) {
	if err := ValidateVolume(volume); err != nil {
		return Info{}, at("head", "", err)
	}
	if err := r.lock(ctx, "head"); err != nil {
		return Info{}, err
	}
	defer r.unlock()
	h, err := r.readHead(ctx, volume)
	if err != nil {
		return Info{}, err
	}
	if h.id.IsZero() {
		return Info{}, &Error{Op: "head", Key: headKey(volume), Err: ErrNotFound}
	}
	return h.snap.info(h.id), nil
}

func (r *Remote) head(volume string) *headState {
	h := r.heads[volume]
	if h == nil {
		h = &headState{attempts: map[ID]bool{}}
		r.heads[volume] = h
	}
	return h
}

// readHead asks the store. That there is no head is no error.
func (r *Remote) readHead(ctx context.Context, volume string) (*headState, error) {
	h, key := r.head(volume), headKey(volume)
	o, err := r.store.Get(ctx, key, 0, int64(headSize)+1)
	r.clock.learn(o, err)
	switch {
	case errors.Is(err, ErrNotFound):
		*h = headState{read: true, attempts: h.attempts}
		return h, nil
	case errors.Is(err, ErrRange):
		return nil, &Error{Op: "get", Key: key, Err: corrupt("empty")}
	case err != nil:
		return nil, err
	}
	id, err := decodeHead(o.Data)
	if err != nil {
		return nil, at("get", key, err)
	}
	snap := h.snap
	if h.id != id {
		if snap, err = r.readSnapshot(ctx, id); err != nil {
			return nil, err
		}
	}
	*h = headState{read: true, etag: o.ETag, id: id, snap: snap, attempts: h.attempts}
	return h, nil
}

func (r *Remote) readSnapshot(ctx context.Context, id ID) (*snapshotObject, error) {
	key := snapshotKey(id)
	o, err := r.store.Get(ctx, key, 0, maxSnapshot+1)
	if errors.Is(err, ErrRange) {
		return nil, &Error{Op: "get", Key: key, Err: corrupt("empty")}
	}
	if err != nil {
		return nil, err
	}
	sum, err := sumOne(ctx, r.coder.hasher, o.Data)
	if err != nil {
		return nil, err
	}
	if sum != id {
		return nil, at("get", key, corrupt("its hash is not its name"))
	}
	s, err := r.coder.decodeSnapshot(ctx, o.Data)
	return s, at("get", key, err)
}

// learnPacks reads the indexes of the packs that are not known yet.
func (r *Remote) learnPacks(ctx context.Context, packs []packEntry) error {
	var unknown []packEntry
	for _, e := range packs {
		if r.packs[e.id] == nil {
			unknown = append(unknown, e)
		}
	}
	var mu sync.Mutex // guards what is learnt
	g := newGroup(ctx, r.width)
	for _, e := range unknown {
		g.run(func(ctx context.Context) error {
			key := packKey(e.id)
			o, err := r.store.Get(ctx, key, int64(e.indexOff), int64(e.size-e.indexOff))
			if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) {
				err = &Error{Op: "get", Key: key, Err: corrupt("a snapshot names this pack, but: %v", err)}
			}
			if err != nil {
				return err
			}
			t, err := r.coder.readIndex(ctx, o.Data, e)
			if err != nil {
				return at("get", key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			r.learn(e.id, t.packIndex.blobs)
			return nil
		})
	}
	return g.wait("get", "")
}

func (r *Remote) learn(id ID, blobs []blobEntry) {
	if r.packs[id] != nil {
		return
	}
	p := &knownPack{id, blobs}
	r.packs[id] = p
	for i, b := range blobs {
		if other, ok := r.blobs[b.hash]; ok {
			r.more[b.hash] = append(r.more[b.hash], other)
		}
		r.blobs[b.hash] = holder{p, uint32(i)}
	}
}

// forget makes room once no head that we know of needs a pack.
func (r *Remote) forget(id ID) {
	p := r.packs[id]
	if p == nil {
		return
	}
	delete(r.packs, id)
	for _, b := range p.blobs {
		others := slices.DeleteFunc(r.more[b.hash], func(o holder) bool { return o.pack == p })
		switch {
		case r.blobs[b.hash].pack != p:
		case len(others) > 0:
			r.blobs[b.hash], others = others[0], others[1:]
		default:
			delete(r.blobs, b.hash)
		}
		if len(others) > 0 {
			r.more[b.hash] = others
		} else {
			delete(r.more, b.hash)
		}
	}
}

// in tells if a blob is in one of the packs.
func (r *Remote) in(packs map[ID]bool, h memfs.Hash) bool {
	o, ok := r.blobs[h]
	return ok && (packs[o.pack.id] || slices.ContainsFunc(r.more[h], func(o holder) bool { return packs[o.pack.id] }))
}

// holders is where a blob is known to be.
func (r *Remote) holders(h memfs.Hash) []holder {
	if o, ok := r.blobs[h]; ok {
		return append([]holder{o}, r.more[h]...)
	}
	return nil
}
