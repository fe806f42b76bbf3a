//go:build js

package main

import (
	"errors"
	"iter"

	"github.com/holdfast-fs/holdfast/opfs"
	"github.com/holdfast-fs/holdfast/wasm/jsontext"
)

// task is work on the whole file, which takes long: it goes on while JavaScript asks for the next step, and waits between two. It is
// the memfs.Stopper of that work.
type task struct {
	next  func() (bytesRead, bool)
	stop  func()
	ended bool // JavaScript wants no more steps
	text  jsontext.Text
	err   error
}

type bytesRead struct{ done, total int64 }

var (
	tasks = map[int32]*task{}

	// errCancelled is what a task that was ended early ends with.
	errCancelled = errors.New("cancelled")
)

func (t *task) Err() error {
	if t.ended {
		return errCancelled
	}
	return nil
}

func newTask(work func(t *task, progress func(done, total int64)) (jsontext.Text, error)) int32 {
	t := &task{}
	t.next, t.stop = iter.Pull(func(yield func(bytesRead) bool) {
		t.text, t.err = work(t, func(done, total int64) {
			t.ended = t.ended || !yield(bytesRead{done, total})
		})
	})
	lastID++
	tasks[lastID] = t
	return lastID
}

// task_next does a step. It answers 0 and leaves the bytes done and in all as numbers 0 and 1, or, at the end, the length of the JSON in the
// result buffer, or an error.
//
//go:wasmexport task_next
func taskNext(id int32) int32 {
	t := tasks[id]
	if t == nil {
		return fail(errCancelled)
	}
	if p, more := t.next(); more {
		num(0, float64(p.done))
		num(1, float64(p.total))
		return 0
	}
	delete(tasks, id)
	if t.err != nil {
		return fail(t.err)
	}
	return result(t.text)
}

// task_end gives a task up.
//
//go:wasmexport task_end
func taskEnd(id int32) int32 {
	if t := tasks[id]; t != nil {
		delete(tasks, id)
		t.ended = true
		t.stop()
	}
	return 0
}

// verify is a task that checks the whole file.
//
//go:wasmexport verify
func verify() int32 {
	return newTask(func(t *task, progress func(done, total int64)) (jsontext.Text, error) {
		return jsontext.Text("{}"), store.Verify(t, progress)
	})
}

// salvage is a task that opens a damaged volume, instead of the export open.
//
//go:wasmexport salvage
func salvage(file int32) int32 {
	return newTask(func(t *task, progress func(done, total int64)) (jsontext.Text, error) {
		var f opfs.File = &opfs.MemFile{} // there is nothing in it, and Salvage says so
		if file >= 0 {
			f = opfs.OpenHandle(file)
		}
		s, found, err := opfs.Salvage(t, f, opfs.Options{Now: now}, progress)
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		use(s)
		text := putPoint(jsontext.Text(nil).Open('{').Key("point"), found.Point).Close('}').Key("lost").Open('[')
		for _, seq := range found.Lost {
			text = text.Int(int64(seq))
		}
		text = text.Close(']').Key("damages").Open('[')
		for _, d := range found.Damages {
			text = text.String(d)
		}
		return text.Close(']').Close('}'), nil
	})
}
