//go:build js

package main

import (
	"errors"
	"iter"

	"github.com/holdfast-fs/holdfast/memfs"
)

// What the remote module asks of this volume while it publishes or pulls (ABI.md): JavaScript copies bytes from the memory of one
// module to the other's. Publishing itself, hashing, compressing and encrypting included, is not part of this program.

// in is what JavaScript left for the next of these calls.
var in []byte

// inbox makes room for n bytes, which the next call here takes, and answers the address.
//
//go:wasmexport inbox
func inbox(n int32) float64 {
	if n <= 0 || n > 2*memfs.MaxBlock {
		return float64(fail(memfs.EINVAL))
	}
	if cap(in) < int(n) {
		in = make([]byte, n)
	}
	in = in[:n]
	return float64(address(in))
}

func taken() []byte {
	b := in
	in = in[:0]
	return b
}

// Messages of transfer_next begin with one of these bytes. The next call brings the answer.
const (
	msgPages = 'p' // for each page its length (2 bytes, little-endian) and bytes; the answer is their hashes
	msgSum   = 's' // bytes; the answer is their hash
	msgHas   = 'h' // a hash; the answer is a byte, not 0 when it need not be sent
	msgBlob  = 'b' // a hash and the blob that has it; no answer
	msgDone  = 'd' // the root's hash, of an export
)

// transfer is a walk over a snapshot that waits, between two calls, for the answer to its last message.
type transfer struct {
	next   func() ([]byte, bool)
	stop   func()
	answer []byte
	buf    []byte
	err    error
}

// transfers are by the number of the reader whose snapshot they walk over, one for each.
var transfers = map[int32]*transfer{}

var errStopped = errors.New("stopped")

// ask gives a message, and returns the answer to it.
type ask func(msg []byte) ([]byte, error)

func begin(id int32, walk func(s *memfs.Snapshot, t *transfer, ask ask) (last []byte, err error)) int32 {
	s, err := reader(id)
	if err != nil {
		return fail(err)
	}
	endTransfer(id)
	t := &transfer{}
	t.next, t.stop = iter.Pull(func(yield func([]byte) bool) {
		last, err := walk(s, t, func(msg []byte) ([]byte, error) {
			if !yield(msg) {
				return nil, errStopped
			}
			return t.answer, nil
		})
		if t.err = err; err == nil {
			yield(last)
		}
	})
	transfers[id] = t
	return 0
}

func endTransfer(id int32) {
	if t := transfers[id]; t != nil {
		t.stop()
		delete(transfers, id)
	}
}

// pages_open begins to walk over the pages of a reader's snapshot that have no hash yet, up to batch at a time.
//
//go:wasmexport pages_open
func pagesOpen(id, batch int32) int32 {
	return begin(id, func(s *memfs.Snapshot, t *transfer, ask ask) ([]byte, error) {
		err := s.HashPages(&task{}, max(int(batch), 1), func(pages [][]byte) ([]memfs.Hash, error) {
			b := append(t.buf[:0], msgPages)
			for _, p := range pages {
				b = append(append(b, byte(len(p)), byte(len(p)>>8)), p...)
			}
			t.buf = b
			answer, err := ask(b)
			if err != nil {
				return nil, err
			}
			hashes := make([]memfs.Hash, len(answer)/len(memfs.Hash{}))
			for i := range hashes {
				copy(hashes[i][:], answer[i*len(hashes[i]):])
			}
			return hashes, nil
		})
		return []byte{msgDone}, err
	})
}

// export_open begins to walk over what is to be sent of a reader's snapshot, as memfs.Snapshot.Export has it.
//
//go:wasmexport export_open
func exportOpen(id int32) int32 {
	return begin(id, func(s *memfs.Snapshot, t *transfer, ask ask) ([]byte, error) {
		say := func(kind byte, parts ...[]byte) ([]byte, error) {
			t.buf = append(t.buf[:0], kind)
			for _, p := range parts {
				t.buf = append(t.buf, p...)
			}
			return ask(t.buf)
		}
		root, err := s.Export(func(b []byte) (h memfs.Hash, err error) {
			answer, err := say(msgSum, b)
			if err == nil && copy(h[:], answer) != len(h) {
				err = memfs.EINVAL
			}
			return h, err
		}, func(h memfs.Hash) bool {
			answer, err := say(msgHas, h[:])
			return err != nil || len(answer) > 0 && answer[0] != 0
		}, func(h memfs.Hash, data []byte) error {
			_, err := say(msgBlob, h[:], data)
			return err
		})
		return append([]byte{msgDone}, root[:]...), err
	})
}

// transfer_next takes the answer to the last message and leaves the next one in the result buffer.
//
//go:wasmexport transfer_next
func transferNext(id int32) int32 {
	t := transfers[id]
	if t == nil {
		return fail(memfs.EBADF)
	}
	t.answer = taken()
	msg, ok := t.next()
	if !ok {
		endTransfer(id)
		if t.err == nil {
			t.err = memfs.EBADF // asked again after the last message
		}
		return fail(t.err)
	}
	return result(msg)
}

// stages collect what pulls have fetched. One of a pull that failed stays, for the next.
var stages = map[int32]*memfs.Stage{}

//go:wasmexport stage_open
func stageOpen() int32 {
	lastID++
	stages[lastID] = store.FS().NewStage()
	return lastID
}

// stage_add takes a hash and the blob that has it.
//
//go:wasmexport stage_add
func stageAdd(id int32) int32 {
	h, b, ok := cutHash(taken())
	s := stages[id]
	if s == nil || !ok {
		return fail(memfs.EBADF)
	}
	return fail(s.Add(h, b))
}

// stage_import takes the root's hash, ends the stage, and answers a reader.
//
//go:wasmexport stage_import
func stageImport(id int32) int32 {
	root, _, ok := cutHash(taken())
	s := stages[id]
	if s == nil || !ok {
		return fail(memfs.EBADF)
	}
	delete(stages, id)
	snap, err := s.Import(root)
	if err != nil {
		return fail(err)
	}
	lastID++
	readers[lastID] = snap
	return lastID
}

// stage_discard gives back what a stage has collected; a negative number stands for all stages.
//
//go:wasmexport stage_discard
func stageDiscard(id int32) int32 {
	for n, s := range stages {
		if n == id || id < 0 {
			s.Discard()
			delete(stages, n)
		}
	}
	return 0
}

func cutHash(b []byte) (h memfs.Hash, rest []byte, ok bool) {
	if len(b) < len(h) {
		return h, nil, false
	}
	return memfs.Hash(b[:len(h)]), b[len(h):], true
}

// A volume keeps, for each name that it is published under, the published snapshot that its files were made from: what a publish
// may replace. An id is a hash of content, so it does not matter which store it is in. lastPulled is the name that the volume was pulled
// from last: a template, perhaps, of what it is published as.
const (
	publishedNote = "published:"
	lastPulled    = "pulled"
)

// parent takes a name and leaves the id of the published snapshot that the files were made from in the result buffer; 0: there is none.
//
//go:wasmexport parent
func parent() int32 { return result(store.Note(publishedNote + string(taken()))) }

// set_parent takes an id and a name. If the volume has been published under more names than it has room for, a later publish may ask.
//
//go:wasmexport set_parent
func setParent() int32 {
	id, name, ok := cutHash(taken())
	if !ok {
		return fail(memfs.EINVAL)
	}
	_ = store.SetNote(publishedNote+string(name), id[:])
	return 0
}

// last_pulled leaves the name that the files were pulled from last in the result buffer.
//
//go:wasmexport last_pulled
func pulledLast() int32 { return result(store.Note(lastPulled)) }

// pulls are the snapshots that have arrived, by reader: what pull_apply is to remember.
var pulls = map[int32]struct {
	id   memfs.Hash
	name string
}{}

// pulled takes the id and the name of what was imported as a reader's snapshot.
//
//go:wasmexport pulled
func pulled(id int32) int32 {
	published, name, ok := cutHash(taken())
	if _, err := reader(id); err != nil || !ok {
		return fail(memfs.EBADF)
	}
	p := pulls[id]
	p.id, p.name = published, string(name)
	pulls[id] = p
	return 0
}

// pull_apply makes the live tree what a pull has fetched. It is apart from the pull, so that JavaScript can tell mounted guests in
// the same turn.
//
//go:wasmexport pull_apply
func pullApply(id int32) int32 {
	p, ok := pulls[id]
	s, err := reader(id)
	if err != nil || !ok {
		return fail(memfs.EBADF)
	}
	defer readerClose(id)
	if err := store.FS().Restore(s); err != nil {
		return fail(err)
	}
	_ = store.SetNote(publishedNote+p.name, p.id[:])
	_ = store.SetNote(lastPulled, []byte(p.name)) // without it more is sent
	return 0
}
