package memfs

// Stopper tells work that takes long to stop: when Err answers an error. A context.Context is one; the core module has no room for that package.
type Stopper interface{ Err() error }

// Verifier reads every block of stored states once and checks it.
type Verifier struct {
	fs    *FS
	seen  map[uint64]struct{} // offsets of blocks already checked
	buf   []byte
	bytes int64
	step  func(bytes int64) error
}

// NewVerifier returns a Verifier of states of the FS's store. step is called after every block with the bytes read so far, without
// a lock held; it may block, and its error ends the check.
func (f *FS) NewVerifier(step func(bytes int64) error) *Verifier {
	return &Verifier{fs: f, seen: map[uint64]struct{}{}, step: step}
}

// Check reads every block that an encoded root reaches, but those that it has read before, and then checks that the state
// is a filesystem.
func (v *Verifier) Check(stop Stopper, encoded []byte) error {
	r, err := localDecoder(encoded).root()
	if err != nil {
		return err
	}
	if err := v.link(stop, &r.table, kindInodes, int(r.height)); err != nil {
		return err
	}
	v.fs.mu.Lock()
	defer v.fs.mu.Unlock()
	defer v.fs.dropRoot(r)
	return v.fs.validate(r)
}

func (v *Verifier) block(stop Stopper, r Ref) ([]byte, error) {
	if cap(v.buf) < int(r.Len) {
		v.buf = make([]byte, max(int(r.Len), PageSize))
	}
	b := v.buf[:r.Len]
	if err := v.fs.readBlock(r, b); err != nil {
		return nil, err
	}
	v.bytes += int64(r.Len)
	if err := stop.Err(); err != nil {
		return nil, err
	}
	return b, v.step(v.bytes)
}

func (v *Verifier) known(r Ref) bool {
	_, ok := v.seen[r.Off]
	v.seen[r.Off] = struct{}{}
	return ok
}

func (v *Verifier) link(stop Stopper, l *link, k kind, level int) error {
	if l.empty() || v.known(l.ref) {
		return nil
	}
	b, err := v.block(stop, l.ref)
	if err != nil {
		return err
	}
	n, err := localDecoder(b).node(k, level)
	if err != nil {
		return err
	}
	for i := range n.pages {
		if p := &n.pages[i]; !p.hole() && !v.known(p.ref()) {
			b, err := v.block(stop, p.ref())
			if err == nil && p.gapped() {
				err = spread(v.buf[:PageSize], len(b))
			}
			if err != nil {
				return err
			}
		}
	}
	return n.each(k, level, func(l *link, k kind, level int) error { return v.link(stop, l, k, level) })
}
