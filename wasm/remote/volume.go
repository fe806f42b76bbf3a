//go:build js

package main

import (
	"errors"
	"fmt"
	"syscall/js"
	"unsafe"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/wasm/promise"
)

// volume is the number of an open volume, whose tree is in the memory of a core module; 0 is none.
type volume int32

// Exports of the core module, in the order of js/remote-module.js.
const (
	opPagesOpen = iota
	opExportOpen
	opTransferNext
	opStageOpen
	opStageAdd
	opStageImport
	opStageDiscard
	opParent
	opSetParent
	opLastPulled
	opPulled
)

// volumeCall leaves bytes for an export of a volume's module, calls it with two numbers, and answers its result. When that is negative, the
// error is the property failure of the object holdfast. When there is room, the result is the length of the export's bytes, and as many as
// fit are copied.
//
//go:wasmimport holdfast volume_call
func volumeCall(v, op, a, b int32, in unsafe.Pointer, n int32, out unsafe.Pointer, room int32) int32

// volumeOut copies the bytes that the last call left, once more.
//
//go:wasmimport holdfast volume_out
func volumeOut(v int32, out unsafe.Pointer, room int32)

// volumeError is a HoldfastError about a volume.
type volumeError struct{ promise.Rejection }

// Is lets s3publish tell what a hostile publisher has made: of all that it asks, only an import answers so.
func (e *volumeError) Is(target error) bool {
	return target == memfs.ErrBadNode && e.Text("code") == "ErrCorrupt"
}

// Unwrap gives the exception behind it, for JavaScript to be told as the cause.
func (e *volumeError) Unwrap() error {
	if cause := e.Reason.Get("cause"); !cause.IsUndefined() {
		return &promise.Rejection{Reason: cause}
	}
	return nil
}

func (e *volumeError) errno() int { return e.Reason.Get("errno").Int() }

// details are the trace of a module that died.
func (e *volumeError) details() any {
	if d := e.Text("details"); d != "" {
		return d
	}
	return nil
}

// call asks for a number.
func (v volume) call(op, a, b int32, in []byte) (int32, error) {
	rc := volumeCall(int32(v), op, a, b, unsafe.Pointer(unsafe.SliceData(in)), int32(len(in)), nil, 0)
	if rc < 0 {
		return 0, failure()
	}
	return rc, nil
}

// bytes asks for bytes, which it puts into buf if they fit.
func (v volume) bytes(op, a int32, in, buf []byte) ([]byte, error) {
	if cap(buf) < 4096 {
		buf = make([]byte, 4096)
	}
	buf = buf[:cap(buf)]
	rc := volumeCall(int32(v), op, a, 0, unsafe.Pointer(unsafe.SliceData(in)), int32(len(in)), unsafe.Pointer(unsafe.SliceData(buf)), int32(len(buf)))
	if rc < 0 {
		return nil, failure()
	}
	if int(rc) > len(buf) {
		buf = make([]byte, rc)
		volumeOut(int32(v), unsafe.Pointer(unsafe.SliceData(buf)), rc)
	}
	return buf[:rc], nil
}

func failure() error {
	return &volumeError{promise.Rejection{Reason: js.Global().Get("holdfast").Get("failure")}}
}

// parent is the published snapshot that the files were made from, under a published name.
func (v volume) parent(name string) (id s3publish.ID, err error) {
	b, err := v.bytes(opParent, 0, []byte(name), nil)
	copy(id[:], b)
	return id, err
}

func (v volume) setParent(name string, id s3publish.ID) error {
	_, err := v.call(opSetParent, 0, 0, append(id[:], name...))
	return err
}

func (v volume) lastPulled() (string, error) {
	b, err := v.bytes(opLastPulled, 0, nil, nil)
	return string(b), err
}

// source is a snapshot of a volume: a reader of its module.
type source struct {
	volume volume
	reader int32
	buf    []byte
}

var _ s3publish.Source = (*source)(nil)

// Messages of transfer_next, as the core module has them.
const (
	msgPages = 'p'
	msgSum   = 's'
	msgHas   = 'h'
	msgBlob  = 'b'
	msgDone  = 'd'
)

// run answers messages until the last one.
func (s *source) run(open, arg int32, answer func(kind byte, b []byte) ([]byte, error)) (last []byte, err error) {
	if _, err := s.volume.call(open, s.reader, arg, nil); err != nil {
		return nil, err
	}
	var in []byte
	for {
		msg, err := s.volume.bytes(opTransferNext, s.reader, in, s.buf)
		if err != nil {
			return nil, err
		}
		s.buf = msg
		if len(msg) == 0 {
			return nil, errProtocol
		}
		if msg[0] == msgDone {
			return msg[1:], nil
		}
		if in, err = answer(msg[0], msg[1:]); err != nil {
			return nil, err
		}
	}
}

var errProtocol = errors.New("holdfast: the modules do not understand each other")

// HashPages implements s3publish.Source.
func (s *source) HashPages(stop memfs.Stopper, batch int, sum func(pages [][]byte) ([]memfs.Hash, error)) error {
	var pages [][]byte
	_, err := s.run(opPagesOpen, int32(batch), func(kind byte, b []byte) ([]byte, error) {
		if err := stop.Err(); err != nil {
			return nil, err
		}
		pages = pages[:0]
		for len(b) >= 2 {
			n := int(b[0]) | int(b[1])<<8
			if b = b[2:]; n > len(b) {
				return nil, errProtocol
			}
			pages, b = append(pages, b[:n:n]), b[n:]
		}
		hashes, err := sum(pages)
		if err != nil {
			return nil, err
		}
		if kind != msgPages || len(hashes) != len(pages) {
			return nil, fmt.Errorf("%w: %d hashes for %d pages", errProtocol, len(hashes), len(pages))
		}
		var in []byte
		for _, h := range hashes {
			in = append(in, h[:]...)
		}
		return in, nil
	})
	return err
}

// Export implements s3publish.Source.
func (s *source) Export(sum func([]byte) (memfs.Hash, error), has func(memfs.Hash) bool, emit func(memfs.Hash, []byte) error) (root memfs.Hash, err error) {
	last, err := s.run(opExportOpen, 0, func(kind byte, b []byte) ([]byte, error) {
		if kind == msgSum {
			h, err := sum(b)
			return h[:], err
		}
		var h memfs.Hash
		if copy(h[:], b) < len(h) {
			return nil, errProtocol
		}
		switch kind {
		case msgHas:
			if has(h) {
				return []byte{1}, nil
			}
			return nil, nil
		case msgBlob:
			return nil, emit(h, b[len(h):])
		}
		return nil, errProtocol
	})
	if err == nil && copy(root[:], last) < len(root) {
		err = errProtocol
	}
	return root, err
}

// stage is where a volume collects what a pull has fetched.
type stage struct {
	volume volume
	id     int32
	buf    []byte
}

// imported are the readers of what was imported, by what stands for the snapshot here.
var imported = map[*memfs.Snapshot]int32{}

var _ s3publish.Stage = (*stage)(nil)

func (v volume) newStage() (*stage, error) {
	id, err := v.call(opStageOpen, 0, 0, nil)
	return &stage{volume: v, id: id}, err
}

// Add implements s3publish.Stage. It never waits, so that goroutines do not meet in it.
func (s *stage) Add(h memfs.Hash, b []byte) error {
	s.buf = append(append(s.buf[:0], h[:]...), b...)
	_, err := s.volume.call(opStageAdd, s.id, 0, s.buf)
	return err
}

// Import implements s3publish.Stage. The tree is in the volume's memory: what it returns only stands for it, see imported.
func (s *stage) Import(root memfs.Hash) (*memfs.Snapshot, error) {
	reader, err := s.volume.call(opStageImport, s.id, 0, root[:])
	if err != nil {
		return nil, err
	}
	snap := new(memfs.Snapshot)
	imported[snap] = reader
	return snap, nil
}

// Discard implements s3publish.Stage.
func (s *stage) Discard() { _, _ = s.volume.call(opStageDiscard, s.id, 0, nil) }

// pulled tells the volume what the reader's snapshot is, for when it is applied.
func (v volume) pulled(reader int32, id s3publish.ID, name string) error {
	_, err := v.call(opPulled, reader, 0, append(id[:], name...))
	return err
}
