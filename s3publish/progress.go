package s3publish

import "sync"

// Phase is what a call is doing. Phases come in the order in which they are listed, some may
// be left out, and none comes back.
type Phase string

const (
	PhaseRead     Phase = "read"     // all: reading what is remote
	PhaseHash     Phase = "hash"     // publish: hashing what is new
	PhaseUpload   Phase = "upload"   // publish: sending packs
	PhaseHead     Phase = "head"     // publish: sending the snapshot and moving the head
	PhaseDownload Phase = "download" // pull: fetching and checking packs
	PhaseImport   Phase = "import"   // pull: building the tree
	PhaseVerify   Phase = "verify"   // verify: reading packs
	PhaseDelete   Phase = "delete"   // prune
	PhaseDone     Phase = "done"     // all
)

// Progress counts content: the bytes of blobs (what is sent or fetched adds a few per cent of index), and
// objects: packs, and for a publish the snapshot and the head. No number ever gets smaller. Totals are 0
// until they are known, which they are before the first pack.
type Progress struct {
	Phase                     Phase
	BytesDone, BytesTotal     int64
	ObjectsDone, ObjectsTotal int
}

var phaseOrder = map[Phase]int{
	PhaseRead: 1, PhaseHash: 2, PhaseUpload: 3, PhaseHead: 4, PhaseDownload: 5, PhaseImport: 6, PhaseVerify: 7, PhaseDelete: 8, PhaseDone: 9,
}

// reporter calls fn one call at a time, in order.
type reporter struct {
	mu sync.Mutex
	fn func(Progress)
	p  Progress
}

func (r *reporter) update(f func(*Progress)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.p.Phase
	f(&r.p)
	if phaseOrder[r.p.Phase] < phaseOrder[before] {
		r.p.Phase = before // a publish that goes on as a branch
	}
	if r.fn != nil {
		r.fn(r.p)
	}
}

func (r *reporter) phase(ph Phase) { r.update(func(p *Progress) { p.Phase = ph }) }

// start adds what a phase has to do. What was announced before and not done is taken back as done.
func (r *reporter) start(ph Phase, bytes int64, objects int) {
	r.update(func(p *Progress) {
		p.Phase = ph
		p.BytesDone, p.ObjectsDone = p.BytesTotal, p.ObjectsTotal
		p.BytesTotal += bytes
		p.ObjectsTotal += objects
	})
}

func (r *reporter) done(bytes int64, objects int) {
	r.update(func(p *Progress) { p.BytesDone += bytes; p.ObjectsDone += objects })
}
