//go:build js

package main

import (
	"errors"
	"syscall/js"
	"time"

	"github.com/holdfast-fs/holdfast/opfs"
	"github.com/holdfast-fs/holdfast/wasm/jsontext"
)

// What takes long cannot be an export. These functions, put on the global object that the loader gives this program, start a
// goroutine, answer its number, and call back:
//
//	verify(progress, settle), salvage(progress, settle, file), cancel(number)
//
//	settle(error, result string)   once: JSON, one of the two empty
//	progress(p string)             any number of times before; null to be told nothing
//
// with callbacks that never throw.
func registerTasks() {
	o := js.Global().Get("Object").New()
	o.Set("verify", js.FuncOf(func(_ js.Value, a []js.Value) any { return startVerify(a[0], a[1]) }))
	o.Set("salvage", js.FuncOf(func(_ js.Value, a []js.Value) any { return startSalvage(a[0], a[1], int32(a[2].Int())) }))
	o.Set("cancel", js.FuncOf(func(_ js.Value, a []js.Value) any {
		if t := running[int32(a[0].Int())]; t != nil {
			t.cancelled = true
		}
		return nil
	}))
	js.Global().Set("holdfast", o)
}

var (
	running = map[int32]*task{}
	lastOp  int32
)

// errCancelled is what a task that was cancelled ends with.
var errCancelled = errors.New("cancelled")

// task is a memfs.Stopper.
type task struct{ cancelled bool }

func (t *task) Err() error {
	if t.cancelled {
		return errCancelled
	}
	return nil
}

// start runs fn in a goroutine and settles with what it returns.
func start(settle js.Value, fn func(stop *task) (jsontext.Text, error)) int32 {
	lastOp++
	op := lastOp
	t := &task{}
	running[op] = t
	go func() {
		text, err := fn(t)
		delete(running, op)
		if err != nil {
			settle.Invoke(string(describe(err)), "")
			return
		}
		settle.Invoke("", string(text))
	}()
	return op
}

// reading reports the progress of reading a file, and lets JavaScript have a turn each time.
func reading(phase string, progress js.Value) func(done, total int64) {
	return func(done, total int64) {
		if !progress.IsNull() {
			t := jsontext.Text(nil).Open('{').Key("phase").String(phase).Key("bytesDone").Int(done).Key("bytesTotal").Int(total)
			progress.Invoke(string(t.Key("objectsDone").Int(0).Key("objectsTotal").Int(0).Close('}')))
		}
		time.Sleep(time.Millisecond) // less would not leave the scheduler
	}
}

// startVerify checks the whole file.
func startVerify(progress, settle js.Value) int32 {
	return start(settle, func(stop *task) (jsontext.Text, error) {
		return jsontext.Text("{}"), store.Verify(stop, reading("verify", progress))
	})
}

// startSalvage opens a damaged volume, instead of the export open.
func startSalvage(progress, settle js.Value, file int32) int32 {
	return start(settle, func(stop *task) (jsontext.Text, error) {
		var f opfs.File = &opfs.MemFile{} // there is nothing in it, and Salvage says so
		if file >= 0 {
			f = opfs.OpenHandle(file)
		}
		s, found, err := opfs.Salvage(stop, f, opfs.Options{Now: now}, reading("salvage", progress))
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		use(s)
		t := putPoint(jsontext.Text(nil).Open('{').Key("point"), found.Point).Close('}').Key("lost").Open('[')
		for _, seq := range found.Lost {
			t = t.Int(int64(seq))
		}
		t = t.Close(']').Key("damages").Open('[')
		for _, d := range found.Damages {
			t = t.String(d)
		}
		return t.Close(']').Close('}'), nil
	})
}
